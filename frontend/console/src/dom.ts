// Elements from plain calls. Text is always text: nothing here parses HTML, so no name of a user or room is ever markup.

type Child = Node | string | null;
type Attributes = Record<string, string | boolean | ((event: Event) => void)>;

/** Make an element; attributes that are functions are listeners, `false` leaves an attribute out. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false) made.setAttribute(key, value);
  }
  made.append(...children.filter((child): child is Node | string => child !== null));
  return made;
}

/** Set the text of an element, only if it is another: what did not change is not painted or read out again. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** Replace all children. */
export function fill(target: Element, ...children: Child[]): void {
  target.replaceChildren(...children.filter((child): child is Node | string => child !== null));
}

/** Make a button. */
export function button(
  text: string,
  kind: string,
  onClick: () => void,
  attributes: Attributes = {},
): HTMLButtonElement {
  return element(
    "button",
    { type: "button", class: `button ${kind}`.trim(), click: () => onClick(), ...attributes },
    text,
  );
}
