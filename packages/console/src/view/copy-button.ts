// Copies a text to the clipboard, where the browser lets a page: on secure origins.
import { announce } from "../dom/announcer.ts";
import { button } from "../dom/element.ts";

export function copyButton(label: string, textOf: () => string): HTMLButtonElement {
  const { clipboard } = navigator as { clipboard?: Clipboard };
  const element = button(label, () => void copy(), { class: "quiet", hidden: clipboard === undefined });
  async function copy(): Promise<void> {
    try {
      await clipboard?.writeText(textOf());
      announce("Copied.");
      element.textContent = "Copied";
    } catch {
      announce("The browser refused to copy.");
      element.textContent = "Refused";
    }
    setTimeout(() => {
      element.textContent = label;
    }, 1500);
  }
  return element;
}
