// What the service holds: users, rooms, files, reports. A page at a time, read when its tab is opened or refreshed.

import type { Api } from "./api";
import { Refusal } from "./api";
import { button, element, fill, setText } from "./dom";
import { bytes, count, moment } from "./format";
import { type TextKey, text } from "./texts";

type Row = Record<string, unknown>;

interface Page {
  rows: Row[];
  next: string | null;
  words: string;
}

interface Column {
  title: TextKey;
  write: (row: Row) => string;
  isNumber?: boolean;
}

interface Kind {
  title: TextKey;
  empty: TextKey;
  columns: Column[];
  read: (api: Api, after: string) => Promise<Page>;
}

const LIMIT = 50;

const words = (value: unknown): string => (typeof value === "string" && value !== "" ? value : "–");
const number = (value: unknown): number | null => (typeof value === "number" ? value : null);

/** What the messages say that were reported, as far as the service can read them. */
function excerpts(row: Row): unknown[] {
  const messages = Array.isArray(row.messages) ? (row.messages as Row[]) : [];
  return messages.map((message) => message.text);
}

async function page(
  api: Api,
  path: string,
  key: string,
  after: string,
  start = "after",
): Promise<{ rows: Row[]; next: string | null; whole: Row }> {
  const query = `?limit=${LIMIT}${after === "" ? "" : `&${start}=${encodeURIComponent(after)}`}`;
  const whole = (await api.call("GET", path + query)) as Row;
  const rows = Array.isArray(whole[key]) ? (whole[key] as Row[]) : [];
  return { rows, next: typeof whole.next === "string" ? whole.next : null, whole };
}

const KINDS: Kind[] = [
  {
    title: "users",
    empty: "noUsers",
    columns: [
      { title: "name", write: (row) => words(row.name) },
      { title: "since", write: (row) => moment(number(row.created_ms) ?? 0) },
      { title: "invitedBy", write: (row) => words(row.inviter) },
      { title: "devices", write: (row) => count(number(row.session_count)), isNumber: true },
    ],
    read: async (api, after) => ({ ...(await page(api, "/admin/v1/users", "users", after)), words: "" }),
  },
  {
    title: "rooms",
    empty: "noRooms",
    columns: [
      { title: "name", write: (row) => words(row.title === "" ? row.name : row.title) },
      { title: "address", write: (row) => words(row.jid) },
      { title: "people", write: (row) => count(number(row.people)), isNumber: true },
    ],
    read: async (api, after) => {
      const found = await page(api, "/admin/v1/rooms", "rooms", after);
      return { ...found, words: text("publicRooms", { count: count(number(found.whole.total)) }) };
    },
  },
  {
    title: "media",
    empty: "noUsers",
    columns: [
      { title: "name", write: (row) => words(row.name) },
      { title: "files", write: (row) => count(number(row.files)), isNumber: true },
      { title: "size", write: (row) => bytes(number(row.bytes)), isNumber: true },
    ],
    read: async (api, after) => {
      const found = await page(api, "/admin/v1/media/accounts", "accounts", after);
      const totals = (await api.call("GET", "/admin/v1/media")) as Row;
      const values = { count: count(number(totals.files)), size: bytes(number(totals.bytes)) };
      return { ...found, words: text(totals.is_complete === true ? "mediaTotal" : "mediaAtLeast", values) };
    },
  },
  {
    title: "reports",
    empty: "noReports",
    columns: [
      { title: "since", write: (row) => (number(row.time_ms) === null ? "–" : moment(number(row.time_ms) ?? 0)) },
      { title: "reporter", write: (row) => words(row.reporter) },
      { title: "reported", write: (row) => words(row.reported) },
      { title: "reason", write: (row) => words(row.reason) },
      { title: "text", write: (row) => words([row.text, ...excerpts(row)].filter(Boolean).join(" · ")) },
    ],
    // The newest come first: a page goes on before the last one that was shown.
    read: async (api, last) => ({ ...(await page(api, "/admin/v1/reports", "reports", last, "before")), words: "" }),
  },
];

export class Tables {
  readonly root: HTMLElement;
  #tabs: HTMLButtonElement[];
  #panel = element("div", { role: "tabpanel", id: "service-panel", tabindex: "0", "aria-labelledby": "tab-users" });
  #shown: Kind;
  #turn = 0;

  constructor(
    private readonly api: Api,
    private readonly onFailure: (error: unknown) => void,
  ) {
    this.#tabs = KINDS.map((kind) =>
      element(
        "button",
        {
          type: "button",
          role: "tab",
          id: `tab-${kind.title}`,
          "aria-controls": "service-panel",
          // The interface for reports comes and goes with the release: the tab is there when it answers.
          hidden: kind.title === "reports",
          click: () => this.open(kind),
          keydown: (event) => this.#move(event as KeyboardEvent),
        },
        text(kind.title),
      ),
    );
    this.#shown = KINDS[0] as Kind;
    this.root = element(
      "section",
      { class: "panel", "aria-labelledby": "service-title" },
      element(
        "div",
        { class: "section-head" },
        element("h2", { id: "service-title" }, text("service")),
        button(text("refresh"), "small", () => this.open(this.#shown)),
      ),
      element("div", { role: "tablist", "aria-labelledby": "service-title" }, ...this.#tabs),
      this.#panel,
    );
  }

  /** Read what is shown first, and find out which tabs there are. */
  begin(): void {
    this.open(this.#shown);
    this.api
      .call("GET", `/admin/v1/reports?limit=1`)
      .then(() => (this.#tabs.at(-1) as HTMLButtonElement).removeAttribute("hidden"))
      .catch((error: unknown) => {
        if (!(error instanceof Refusal) || error.status !== 404) this.onFailure(error);
      });
  }

  open(kind: Kind): void {
    this.#shown = kind;
    for (const [place, tab] of this.#tabs.entries()) {
      const isShown = KINDS[place] === kind;
      tab.setAttribute("aria-selected", String(isShown));
      tab.tabIndex = isShown ? 0 : -1;
    }
    this.#panel.setAttribute("aria-labelledby", `tab-${kind.title}`);
    void this.#read(kind);
  }

  #move(event: KeyboardEvent): void {
    const tabs = this.#tabs.filter((tab) => !tab.hidden);
    const place = tabs.indexOf(event.currentTarget as HTMLButtonElement);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = tabs[(place + step + tabs.length) % tabs.length];
    next?.focus();
    next?.click();
  }

  async #read(kind: Kind): Promise<void> {
    this.#turn += 1;
    const turn = this.#turn;
    if (this.#panel.childElementCount === 0) fill(this.#panel, element("p", { class: "empty" }, text("loading")));
    try {
      const first = await kind.read(this.api, "");
      if (turn === this.#turn) this.#show(kind, first);
    } catch (error) {
      if (turn === this.#turn) fill(this.#panel);
      this.onFailure(error);
    }
  }

  #show(kind: Kind, first: Page): void {
    const body = element("tbody");
    const said = element("p", { class: "said" });
    const add = (found: Page): void => {
      body.append(...found.rows.map((row) => rowOf(kind, row)));
      setText(said, found.words);
      more.hidden = found.next === null;
      next = found.next;
    };
    let next: string | null = null;
    const more = button(text("more"), "small", () => {
      kind
        .read(this.api, next ?? "")
        .then(add)
        .catch(this.onFailure);
    });
    add(first);
    if (first.rows.length === 0) {
      fill(this.#panel, element("p", { class: "empty" }, text(kind.empty)), said);
      return;
    }
    const heads = kind.columns.map((column) =>
      element("th", { scope: "col", class: column.isNumber ? "number" : "" }, text(column.title)),
    );
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body);
    fill(
      this.#panel,
      said,
      element("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": text(kind.title) }, table),
      more,
    );
  }
}

function rowOf(kind: Kind, row: Row): HTMLElement {
  const cells = kind.columns.map((column) =>
    element("td", { class: column.isNumber ? "number" : "" }, column.write(row)),
  );
  return element("tr", {}, ...cells);
}
