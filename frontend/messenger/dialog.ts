/** A small dialog of ours: the browser's own element, which keeps the focus inside and closes on Escape. */

import { say } from "./words";

/** Make an element with attributes and children; those that are undefined are left out. */
export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/**
 * Ask something. Returns whether the user agreed; the content is read by the caller.
 *
 * @param check Returns what is wrong with what was entered, or "".
 */
export function ask(
  title: string,
  action: string,
  content: (Node | string)[],
  check: () => string = () => "",
): Promise<boolean> {
  const wrong = make("p", { class: "raftline-wrong", role: "alert" });
  const cancel = make("button", { type: "button", class: "raftline-plain" }, say("cancel"));
  const agree = make("button", { type: "submit", class: "raftline-main" }, action);
  const form = make(
    "form",
    { method: "dialog" },
    make("h2", { id: "raftline-dialog-title" }, title),
    ...content,
    wrong,
    make("div", { class: "raftline-actions" }, cancel, agree),
  );
  const dialog = make("dialog", { class: "raftline-dialog", "aria-labelledby": "raftline-dialog-title" }, form);
  document.body.append(dialog);
  return new Promise((resolve) => {
    let agreed = false;
    cancel.addEventListener("click", () => dialog.close());
    form.addEventListener("submit", (event) => {
      wrong.textContent = check();
      agreed = wrong.textContent === "";
      if (!agreed) event.preventDefault();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(agreed);
    });
    dialog.showModal();
  });
}
