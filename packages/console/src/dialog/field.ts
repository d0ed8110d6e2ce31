// One field of a form: its label, its control, its hint, and what is wrong with it.
import { h, setAttribute } from "../dom/element.ts";

export interface FieldSpec {
  /** As the API calls it: errors find their field by it. */
  name: string;
  label: string;
  kind: "text" | "number" | "select" | "lines" | "checkbox";
  value?: string | number | boolean;
  hint?: string;
  placeholder?: string;
  min?: number;
  max?: number;
  /** For `select`: value and label of each. */
  options?: readonly (readonly [value: string, label: string])[];
  required?: boolean;
  /** Half a row wide. */
  isHalf?: boolean;
}

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

export class Field {
  readonly name: string;
  readonly element: HTMLElement;
  readonly control: Control;
  readonly #error: HTMLElement;

  constructor(spec: FieldSpec) {
    const { name, label, kind, hint, isHalf } = spec;
    this.name = name;
    this.control = makeControl(spec);
    const id = `field-${name}`;
    this.#error = h("p", { id: `${id}-error`, class: "field-error" });
    setAttribute(this.control, "id", id);
    setAttribute(this.control, "name", name);
    setAttribute(this.control, "aria-describedby", `${hint ? `${id}-hint ` : ""}${id}-error`);
    const caption = h("label", { for: id }, label);
    const help = hint && h("p", { id: `${id}-hint`, class: "hint" }, hint);
    const classes = ["field", kind === "checkbox" && "check", isHalf && "half"].filter(Boolean).join(" ");
    const parts = kind === "checkbox" ? [this.control, caption] : [caption, this.control];
    this.element = h("div", { class: classes }, ...parts, help, this.#error);
  }

  /** The value as typed; a checkbox' is `true` or the empty string. */
  get value(): string {
    if (this.control instanceof HTMLInputElement && this.control.type === "checkbox") {
      return this.control.checked ? "true" : "";
    }
    return this.control.value;
  }

  set error(text: string) {
    this.#error.textContent = text;
    setAttribute(this.control, "aria-invalid", text !== "" && "true");
  }
}

function makeControl(spec: FieldSpec): Control {
  const { kind, value, min, max, placeholder, options = [], required } = spec;
  const common = { placeholder, required, autocomplete: "off", spellcheck: "false", autocapitalize: "off" };
  switch (kind) {
    case "select": {
      const choices = options.map(([choice, label]) => h("option", { value: choice }, label));
      const select = h("select", {}, ...choices);
      if (value !== undefined) select.value = String(value);
      return select;
    }
    case "lines":
      return h("textarea", { ...common, rows: 2 }, value === undefined ? "" : String(value));
    case "checkbox":
      return h("input", { type: "checkbox", checked: value === true });
    case "number":
      return h("input", { ...common, type: "number", inputmode: "numeric", step: 1, min, max, value });
    case "text":
      return h("input", { ...common, type: "text", value });
  }
}
