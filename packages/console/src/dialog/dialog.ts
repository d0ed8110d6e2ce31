// A question with a form: asked in a modal dialog, answered by what `submit` makes of the values.
import { WrennApiError } from "@wrenn/sdk";
import { button, h, on, setAttribute } from "../dom/element.ts";
import { Field, type FieldSpec } from "./field.ts";

/** What was typed, by the name of the field. */
export type Values = ReadonlyMap<string, string>;

export interface DialogOptions {
  title: string;
  /** What is going to happen; for destructive things, what is lost. */
  text?: string;
  fields?: readonly FieldSpec[];
  /** The verb on the button, and what it says meanwhile. */
  verb: string;
  doing: string;
  isDestructive?: boolean;
  /** Does it. What it throws is shown, at the field if it names one; the dialog then stays. */
  submit(values: Values): Promise<void>;
  /** Called at the start and when a field has changed. */
  changed?: (fields: ReadonlyMap<string, Field>) => void;
}

/** Says which field is wrong before anything is sent. */
export class FieldError extends Error {
  readonly field: string;

  constructor(field: string, message: string) {
    super(message);
    this.field = field;
  }
}

/** Opens the dialog. What is under way when it is closed goes on. */
export function openDialog(options: DialogOptions): void {
  const { title, text, fields: specs = [], verb, isDestructive = false, changed } = options;
  const fields = new Map(specs.map((spec) => [spec.name, new Field(spec)]));
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const cancel = button("Cancel", () => dialog.close());
  const confirm = h("button", { type: "submit", class: isDestructive ? "danger solid" : "primary" }, verb);
  const form = h(
    "form",
    { novalidate: true },
    h("h2", { id: "dialog-title" }, title),
    text !== undefined && h("p", {}, text),
    h("div", { class: "fields" }, ...[...fields.values()].map(({ element }) => element)),
    problem,
    h("div", { class: "buttons" }, cancel, confirm),
  );
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, form);
  on(dialog, { close: () => dialog.remove() });
  on(form, {
    input: () => changed?.(fields),
    submit: (event) => {
      event.preventDefault();
      void send({ ...options, fields, problem, confirm, dialog });
    },
  });
  document.body.append(dialog);
  changed?.(fields);
  dialog.showModal();
  // Enter must not destroy anything by accident; elsewhere the first field is where one wants to be.
  const first = isDestructive ? undefined : [...fields.values()].find(({ control }) => !control.disabled);
  (first?.control ?? (isDestructive ? cancel : confirm)).focus();
}

interface Sending extends Omit<DialogOptions, "fields"> {
  fields: ReadonlyMap<string, Field>;
  problem: HTMLElement;
  confirm: HTMLButtonElement;
  dialog: HTMLDialogElement;
}

async function send({ submit, fields, problem, confirm, dialog, verb, doing }: Sending): Promise<void> {
  if (confirm.disabled) return;
  for (const field of fields.values()) field.error = "";
  problem.hidden = true;
  confirm.disabled = true;
  confirm.textContent = doing;
  setAttribute(dialog, "aria-busy", "true");
  try {
    await submit(new Map([...fields].map(([name, field]) => [name, field.value])));
    dialog.close();
  } catch (error) {
    showError(error, fields, problem);
  } finally {
    confirm.disabled = false;
    confirm.textContent = verb;
    setAttribute(dialog, "aria-busy", undefined);
  }
}

function showError(error: unknown, fields: ReadonlyMap<string, Field>, problem: HTMLElement): void {
  const message = error instanceof Error ? error.message : String(error);
  const name = error instanceof FieldError || error instanceof WrennApiError ? error.field : undefined;
  // `metadata.owner` is wrong in the field `metadata`.
  const field =
    name === undefined ? undefined : (fields.get(name) ?? fields.get(name.replace(/[.[].*$/s, "")));
  if (field) {
    field.error = message;
    field.control.focus();
  } else {
    problem.textContent = error instanceof WrennApiError ? `${error.code}: ${message}` : message;
    problem.hidden = false;
  }
}
