// The numbers of a business: what they are called, how fast they may send, whether they may.

import { confirm } from "../dialogs";
import { button, element } from "../dom";
import { count } from "../format";
import type { Desk } from "./desk";
import { askFor } from "./forms";
import type { Business, BusinessNumber } from "./shapes";
import { row, table } from "./table";
import { say } from "./words";

export function numbersOf(desk: Desk, business: Business): HTMLElement {
  const rows = business.numbers.map((number) => [
    element("strong", {}, number.number),
    number.phone_number_id,
    number.jid,
    number.verified_name,
    limit(number.per_second),
    limit(number.pair_per_minute),
    say(number.registered ? "yes" : "no"),
    row(
      button(say("editNumber"), "small", () => void edit(desk, number), { "data-action": "edit-number" }),
      button(say(number.registered ? "deregister" : "register"), "small", () => {
        void desk.change("PATCH", pathOf(number), { registered: !number.registered });
      }),
      button(say("remove"), "small danger", () => void remove(desk, number), { "data-action": "remove-number" }),
    ),
  ]);
  const heads = [
    say("number"),
    "phone_number_id",
    say("address"),
    say("verifiedName"),
    say("perSecond"),
    say("pairPerMinute"),
    say("registered"),
  ];
  return element(
    "section",
    { "aria-labelledby": "numbers-title", "data-part": "numbers" },
    element(
      "div",
      { class: "section-head" },
      element("h4", { id: "numbers-title" }, say("numbers")),
      button(say("addNumber"), "small", () => void add(desk, business), { "data-action": "add-number" }),
    ),
    table(say("numbers"), heads, rows),
  );
}

function pathOf(number: BusinessNumber): string {
  return `/numbers/${number.phone_number_id}`;
}

function limit(value: number): string {
  return value === 0 ? say("noLimit") : count(value);
}

async function add(desk: Desk, business: Business): Promise<void> {
  const fields = [
    { name: "number", label: say("digits"), pattern: "\\+?[1-9][0-9]{6,14}" },
    { name: "verified_name", label: say("verifiedName"), value: business.name },
  ];
  const values = await askFor(say("addNumber"), "", fields, say("addNumber"));
  if (values !== null) await desk.change("POST", `/businesses/${business.waba_id}/numbers`, values);
}

async function edit(desk: Desk, number: BusinessNumber): Promise<void> {
  const limited = (what: string): string => say("zeroIsNone", { what });
  const values = await askFor(
    say("editNumberTitle", { number: number.number }),
    "",
    [
      { name: "verified_name", label: say("verifiedName"), value: number.verified_name },
      { name: "per_second", label: limited(say("perSecond")), value: String(number.per_second), kind: "number" },
      {
        name: "pair_per_minute",
        label: limited(say("pairPerMinute")),
        value: String(number.pair_per_minute),
        kind: "number",
      },
    ],
    say("save"),
  );
  if (values === null) return;
  await desk.change("PATCH", pathOf(number), {
    verified_name: values.verified_name,
    per_second: Number(values.per_second),
    pair_per_minute: Number(values.pair_per_minute),
  });
}

async function remove(desk: Desk, number: BusinessNumber): Promise<void> {
  const title = say("removeNumber", { number: number.number });
  if (await confirm(title, say("removeNumberText"), say("remove").replace("…", ""), true)) {
    await desk.change("DELETE", pathOf(number));
  }
}
