// Children of an element that follow a list: those that stay keep their element, and with it focus and scroll.

export interface Item<T> {
  element: HTMLElement;
  update(value: T): void;
}

/** Makes the children of a container follow a list, each known by its key. */
export class KeyedList<T> {
  readonly #container: HTMLElement;
  readonly #keyOf: (value: T) => string;
  readonly #make: (value: T) => Item<T>;
  #items = new Map<string, Item<T>>();

  constructor(container: HTMLElement, keyOf: (value: T) => string, make: (value: T) => Item<T>) {
    this.#container = container;
    this.#keyOf = keyOf;
    this.#make = make;
  }

  update(values: readonly T[]): void {
    const next = new Map<string, Item<T>>();
    for (const value of values) {
      const key = this.#keyOf(value);
      const item = this.#items.get(key) ?? this.#make(value);
      item.update(value);
      next.set(key, item);
    }
    for (const [key, { element }] of this.#items) if (!next.has(key)) element.remove();
    let place = this.#container.firstElementChild;
    for (const { element } of next.values()) {
      if (element === place) place = place.nextElementSibling;
      else this.#container.insertBefore(element, place);
    }
    this.#items = next;
  }

  elements(): HTMLElement[] {
    return [...this.#items.values()].map(({ element }) => element);
  }
}
