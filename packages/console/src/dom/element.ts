// Elements, made from code only: text becomes text nodes, so that nothing from outside is ever read as markup.

export type Child = Node | string | undefined | false;

/** Attributes by their names in HTML; `true` is an empty one, `false` and undefined none. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

type Listeners = { [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void };

/** Makes an element. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  for (const child of children) if (child) element.append(child);
  return element;
}

/** Listens to events of an element, and returns it. */
export function on<T extends HTMLElement>(element: T, listeners: Listeners): T {
  for (const [type, listener] of Object.entries(listeners)) {
    element.addEventListener(type, listener as EventListener);
  }
  return element;
}

/** A button that does something. */
export function button(label: string, click: () => void, attributes: Attributes = {}): HTMLButtonElement {
  return on(h("button", { type: "button", ...attributes }, label), { click });
}

/** Sets, changes or takes away an attribute; touches nothing when it is as wanted. */
export function setAttribute(
  element: Element,
  name: string,
  value: string | number | boolean | undefined,
): void {
  if (value === undefined || value === false) element.removeAttribute(name);
  else {
    const text = value === true ? "" : String(value);
    if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

/** Sets the text of an element; touches nothing when it is as wanted, so that a selection in it survives. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
