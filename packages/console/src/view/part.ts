// A part of the page: an element, and how it follows what the page knows.

export interface Part {
  element: HTMLElement;
  /** Brings it up to date; costs little when nothing has changed. */
  update(): void;
}
