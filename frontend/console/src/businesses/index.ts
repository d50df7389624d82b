// Businesses: a list, one that is open with its numbers and applications, and who changed what.

import type { Api } from "../api";
import { confirm } from "../dialogs";
import { button, element, fill } from "../dom";
import { moment } from "../format";
import { text } from "../texts";
import { appsOf } from "./apps";
import { Desk } from "./desk";
import { askFor, tellOnce } from "./forms";
import { numbersOf } from "./numbers";
import type { AuditEntry, Business } from "./shapes";
import { row, table } from "./table";
import { say } from "./words";
import "./style.css";

const LIMIT = 100;

export class Businesses {
  readonly root: HTMLElement;
  #list = element("div", { "data-part": "businesses" });
  #opened = element("div", { "data-part": "business", hidden: true });
  #audit = element("div", { "data-part": "audit" });
  #shown = "";
  #turn = 0;
  #desk: Desk;

  constructor(api: Api, onFailure: (error: unknown) => void) {
    this.#desk = new Desk(api, onFailure, () => this.refresh());
    this.root = element(
      "section",
      { class: "panel businesses", id: "businesses", "aria-labelledby": "businesses-title" },
      element(
        "div",
        { class: "section-head" },
        element("h2", { id: "businesses-title" }, text("businesses")),
        row(
          button(text("refresh"), "small", () => void this.refresh()),
          button(say("create"), "primary", () => void this.#create(), { "data-action": "create-business" }),
        ),
      ),
      this.#list,
      this.#opened,
      element("details", {}, element("summary", {}, say("audit")), this.#audit),
    );
  }

  /** Read all anew; what comes after a later question was asked is not shown. */
  async refresh(): Promise<void> {
    this.#turn += 1;
    const turn = this.#turn;
    const page = await this.#desk.read<{ businesses: Business[]; next: string | null }>(`/businesses?limit=${LIMIT}`);
    const audit = await this.#desk.read<{ lines: AuditEntry[] }>(`/business-audit?limit=${LIMIT}`);
    if (page === null || audit === null || turn !== this.#turn) return;
    const found = page.businesses;
    while (page.next !== null) {
      const following = await this.#desk.read<{ businesses: Business[]; next: string | null }>(
        `/businesses?limit=${LIMIT}&after=${page.next}`,
      );
      if (following === null || turn !== this.#turn) return;
      found.push(...following.businesses);
      page.next = following.next;
    }
    const business = found.find((one) => one.waba_id === this.#shown);
    const apps = business === undefined ? null : await appsOf(this.#desk, business);
    if (turn !== this.#turn) return;
    this.#showList(found);
    this.#showAudit(audit.lines);
    this.#opened.hidden = business === undefined;
    fill(this.#opened, ...(business === undefined ? [] : this.#parts(business, apps)));
  }

  #showList(found: Business[]): void {
    if (found.length === 0) {
      fill(this.#list, element("p", { class: "empty" }, say("none")));
      return;
    }
    const rows = found.map((business) => [
      business.name,
      business.waba_id,
      business.numbers.map((number) => number.number).join(", "),
      business.apps.map((app) => app.name).join(", "),
      moment(business.created_ms),
      row(
        button(business.waba_id === this.#shown ? text("close") : say("open"), "small", () => this.#open(business), {
          "data-action": "open",
          "aria-description": business.name,
          "aria-expanded": String(business.waba_id === this.#shown),
        }),
      ),
    ]);
    const heads = [say("name"), "waba_id", say("numbers"), say("apps"), say("since")];
    fill(this.#list, table(text("businesses"), heads, rows));
  }

  #open(business: Business): void {
    this.#shown = this.#shown === business.waba_id ? "" : business.waba_id;
    void this.refresh();
  }

  #parts(business: Business, apps: HTMLElement | null): HTMLElement[] {
    const head = element(
      "div",
      { class: "section-head" },
      element("h3", {}, business.name),
      button(say("deleteBusiness"), "small danger", () => void this.#delete(business), {
        "data-action": "delete-business",
      }),
    );
    return [head, numbersOf(this.#desk, business), ...(apps === null ? [] : [apps])];
  }

  #showAudit(lines: AuditEntry[]): void {
    if (lines.length === 0) {
      fill(this.#audit, element("p", { class: "empty" }, say("auditEmpty")));
      return;
    }
    const rows = lines.map((line) => [moment(line.time_ms), line.actor, line.action, line.detail]);
    fill(this.#audit, table(say("audit"), [say("when"), say("who"), say("what"), say("ofWhat")], rows));
  }

  async #create(): Promise<void> {
    const fields = [
      { name: "name", label: say("name") },
      { name: "number", label: say("digits"), pattern: "\\+?[1-9][0-9]{6,14}" },
    ];
    const values = await askFor(say("create"), say("createText"), fields, say("create"));
    if (values === null) return;
    const told = await this.#desk.change<Record<string, string>>("POST", "/businesses", values);
    if (told === null) return;
    this.#shown = told.waba_id ?? "";
    void this.refresh();
    tellOnce(say("createdTitle", { name: values.name ?? "" }), Object.entries(told));
  }

  async #delete(business: Business): Promise<void> {
    const title = say("deleteTitle", { name: business.name });
    if (await confirm(title, say("deleteText"), say("deleteBusiness").replace("…", ""), true)) {
      await this.#desk.change("DELETE", `/businesses/${business.waba_id}`);
    }
  }
}
