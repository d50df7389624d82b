// The card to sign in with: by an administrator's account, or by the cluster's token.

import { type Api, Refusal } from "./api";
import { element, setText } from "./dom";
import { isTextKey, type TextKey, text } from "./texts";

const logo = new URL("./icon.svg", import.meta.url).href;

type Way = "account" | "byToken";

/** Make the card; `onDone` is called once somebody is signed in. */
export function entryCard(api: Api, said: TextKey | null, controls: HTMLElement, onDone: () => void): HTMLElement {
  const error = element("p", { class: "error", role: "alert", hidden: said === null }, said === null ? "" : text(said));
  const submit = element("button", { type: "submit", class: "button primary" }, text("signIn"));
  const username = input("username", "username", "text", "username");
  const password = input("password", "password", "password", "current-password");
  const token = input("token", "token", "password", "off");
  const fields: Record<Way, HTMLElement> = {
    account: element("div", {}, ...username.both, ...password.both),
    byToken: element("div", {}, ...token.both, element("p", { class: "hint" }, text("tokenHint"))),
  };
  let way: Way = "account";

  const choose = (chosen: Way): void => {
    way = chosen;
    for (const key of ["account", "byToken"] as const) fields[key].hidden = key !== chosen;
  };
  const choice = (key: Way): HTMLElement => {
    const radio = element("input", {
      type: "radio",
      name: "way",
      value: key,
      checked: key === way,
      change: () => choose(key),
    });
    return element("label", {}, radio, text(key));
  };
  const send = async (): Promise<void> => {
    submit.disabled = true;
    error.hidden = true;
    try {
      const proof =
        way === "byToken"
          ? { token: token.field.value }
          : { username: username.field.value, password: password.field.value };
      await api.signIn(proof);
      onDone();
    } catch (failure) {
      setText(error, failure instanceof Refusal && failure.status !== 0 ? failure.message : text("unreachableAll"));
      error.hidden = false;
      submit.disabled = false;
    }
  };
  choose(way);
  return element(
    "main",
    { class: "entry" },
    element(
      "form",
      {
        class: "entry-card",
        submit: (event) => {
          event.preventDefault();
          void send();
        },
      },
      element("img", { src: logo, alt: "", width: "56", height: "56" }),
      element("h1", {}, text("title")),
      element(
        "div",
        { class: "ways", role: "radiogroup", "aria-label": text("signIn") },
        choice("account"),
        choice("byToken"),
      ),
      fields.account,
      fields.byToken,
      error,
      submit,
      controls,
    ),
  );
}

function input(
  name: string,
  label: string,
  type: string,
  complete: string,
): { field: HTMLInputElement; both: HTMLElement[] } {
  const field = element("input", {
    id: name,
    name,
    type,
    autocomplete: complete,
    autocapitalize: "none",
    spellcheck: "false",
  });
  return { field, both: [element("label", { for: name }, isTextKey(label) ? text(label) : label), field] };
}
