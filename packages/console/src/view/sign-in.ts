// Asks for a key.
import { h, on } from "../dom/element.ts";
import { looksLikeKey } from "../model/session.ts";
import { logo } from "./header.ts";

/** A form; calls back with a key that may be one. `reason` is why one is asked for again. */
export function signInPart(enter: (key: string) => void, reason = ""): HTMLElement {
  const key = h("input", {
    type: "password",
    id: "api-key",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "wrn_…",
    "aria-describedby": "key-hint key-problem",
  });
  const problem = h("p", { id: "key-problem", class: "field-error", role: "alert" }, reason);
  const form = h(
    "form",
    { class: "card sign-in", novalidate: true },
    logo(),
    h("label", { for: "api-key" }, "API key"),
    key,
    h(
      "p",
      { id: "key-hint", class: "hint" },
      "On the machine itself: sudo cat /var/lib/wrenn/api-key. It is kept in this tab and goes with it.",
    ),
    problem,
    h("button", { type: "submit", class: "primary" }, "Open the console"),
  );
  on(form, {
    submit: (event) => {
      event.preventDefault();
      const text = key.value.trim();
      if (looksLikeKey(text)) return enter(text);
      problem.textContent = "A key begins with wrn_ and has 64 hex digits behind that.";
      key.focus();
    },
  });
  return h("main", { class: "centre" }, form);
}
