// Forms in dialogs, and secrets that are shown once.

import { block, open } from "../dialogs";
import { button, element } from "../dom";
import { text } from "../texts";
import { say } from "./words";

/** A field of a form; with choices it is a list, each its value and its words. */
export interface Field {
  name: string;
  label: string;
  value?: string;
  pattern?: string;
  kind?: "text" | "number" | "url";
  isNeeded?: boolean;
  choices?: [string, string][];
}

/** Ask for some values; null if nothing is to be done. */
export function askFor(
  title: string,
  explanation: string,
  fields: Field[],
  yes: string,
): Promise<Record<string, string> | null> {
  return new Promise((resolve) => {
    let values: Record<string, string> | null = null;
    const inputs = fields.map(inputOf);
    const form = element(
      "form",
      {
        method: "dialog",
        class: "fields",
        submit: () => {
          values = Object.fromEntries(inputs.map((input) => [input.name, input.value.trim()]));
        },
      },
      ...fields.map((field, place) => element("label", {}, field.label, inputs[place] ?? null)),
      element(
        "div",
        { class: "dialog-actions" },
        button(text("cancel"), "", () => dialog.close()),
        element("button", { type: "submit", class: "button primary", "data-action": "confirm" }, yes),
      ),
    );
    const dialog = element(
      "dialog",
      { "aria-labelledby": "dialog-title" },
      element("h2", { id: "dialog-title" }, title),
      explanation === "" ? null : element("p", {}, explanation),
      form,
    );
    open(dialog, () => resolve(values));
  });
}

/** Show what is not shown again. */
export function tellOnce(title: string, parts: [string, string][]): void {
  const dialog = element(
    "dialog",
    { "aria-labelledby": "dialog-title", class: "wide", "data-told": "true" },
    element("h2", { id: "dialog-title" }, title),
    element("p", {}, say("onceText")),
    ...parts.flatMap(([name, value]) => [element("h3", {}, name), block(name, value)]),
    element(
      "div",
      { class: "dialog-actions" },
      button(text("close"), "primary", () => dialog.close(), { "data-action": "close" }),
    ),
  );
  open(dialog, () => undefined);
}

function inputOf(field: Field): HTMLInputElement | HTMLSelectElement {
  if (field.choices !== undefined) {
    const options = field.choices.map(([value, words]) =>
      element("option", { value, selected: value === field.value }, words),
    );
    return element("select", { name: field.name }, ...options);
  }
  return element("input", {
    name: field.name,
    type: field.kind ?? "text",
    value: field.value ?? "",
    required: field.isNeeded ?? true,
    pattern: field.pattern ?? false,
    min: field.kind === "number" ? "0" : false,
    autocomplete: "off",
    spellcheck: "false",
  });
}
