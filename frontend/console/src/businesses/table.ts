// Tables of businesses: rows of texts with buttons at the end.

import { element } from "../dom";

type Cell = Node | string;

/** Make a table; a row's last cell holds its buttons. */
export function table(label: string, heads: string[], rows: Cell[][]): HTMLElement {
  const head = [...heads, ""].map((title) =>
    title === "" ? element("td", {}) : element("th", { scope: "col" }, title),
  );
  const body = rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell))));
  return element(
    "div",
    { class: "scrolls", tabindex: "0", role: "region", "aria-label": label },
    element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body)),
  );
}

/** Buttons side by side. */
export function row(...buttons: HTMLElement[]): HTMLElement {
  return element("div", { class: "buttons" }, ...buttons);
}
