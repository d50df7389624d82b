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

/** Put up a dialog; returns it, and its form, to whose submission it closes. */
function open(title: string, ...content: (Node | string)[]): [HTMLDialogElement, HTMLFormElement] {
  const heading = make("h2", { id: "raftline-dialog-title", dir: "auto" }, title);
  const form = make("form", { method: "dialog" }, heading, ...content);
  const dialog = make("dialog", { class: "raftline-dialog", "aria-labelledby": heading.id }, form);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return [dialog, form];
}

/** Tell something that is closed by one button. */
export function tell(title: string, content: (Node | string)[]): void {
  const close = make("button", { type: "submit", class: "raftline-main" }, say("close"));
  open(title, ...content, make("div", { class: "raftline-actions" }, close));
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
  const [dialog, form] = open(title, ...content, wrong, make("div", { class: "raftline-actions" }, cancel, agree));
  return new Promise((resolve) => {
    let agreed = false;
    cancel.addEventListener("click", () => dialog.close());
    form.addEventListener("submit", (event) => {
      wrong.textContent = check();
      agreed = wrong.textContent === "";
      if (!agreed) event.preventDefault();
    });
    dialog.addEventListener("close", () => resolve(agreed));
  });
}
