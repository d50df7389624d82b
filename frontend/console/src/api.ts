// Requests to the cluster, by whichever node answers. The pass stays in this page's memory (sessions.py explains).

/** A request that a node refused, or that no node answered (`status` 0). */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

interface Pass {
  pass: string;
  until_ms: number;
  account: string;
}

const TIMEOUT_MS = 6000;
const SESSION = "/console/session";

export class Api {
  /** Where the nodes are; the one that is asked first comes first. */
  nodes: string[] = [location.origin];
  account = "";
  #pass = "";
  #untilMs = 0;
  onPass: () => void = () => undefined;

  get isSignedIn(): boolean {
    return this.#pass !== "";
  }

  get pass(): string {
    return this.#pass;
  }

  /** How long until the pass should be renewed. */
  get renewInMs(): number {
    return Math.max(1000, (this.#untilMs - Date.now()) / 2);
  }

  get base(): string {
    return this.nodes[0] ?? location.origin;
  }

  /** Ask the next node first from now on. */
  turn(): void {
    const first = this.nodes.shift();
    if (first !== undefined) this.nodes.push(first);
  }

  /** Learn where the nodes are; those that this page's policy allows are those that it was loaded with. */
  async findNodes(): Promise<void> {
    const told = (await (await this.#fetch("/console/nodes.json", { method: "GET" })).json()) as { nodes: string[] };
    const others = told.nodes.filter((url) => url !== location.origin);
    this.nodes = [location.origin, ...others];
  }

  async signIn(proof: Record<string, string>): Promise<void> {
    this.#take((await this.#send("POST", SESSION, proof)) as Pass);
  }

  /** Get a new pass by the old one, or by the cookie; false when neither is good. */
  async renew(): Promise<boolean> {
    try {
      const given = (await this.#send("PUT", SESSION)) as Pass | null;
      if (given === null) return false; // nobody was signed in
      this.#take(given);
      return true;
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) {
        this.#pass = "";
        return false;
      }
      throw error;
    }
  }

  async signOut(): Promise<void> {
    this.#pass = "";
    await this.#send("DELETE", SESSION).catch(() => undefined);
  }

  /** Call the administration interface; renews the pass once if it is over. */
  async call(method: string, path: string, body?: unknown): Promise<unknown> {
    try {
      return await this.#send(method, path, body);
    } catch (error) {
      if (!(error instanceof Refusal) || error.status !== 401 || !(await this.renew())) throw error;
      return await this.#send(method, path, body);
    }
  }

  #take(pass: Pass): void {
    this.#pass = pass.pass;
    this.#untilMs = pass.until_ms;
    this.account = pass.account;
    this.onPass();
  }

  /** Try each node once, from the first; what needs a quorum may be refused by one that has none. */
  async #send(method: string, path: string, body?: unknown): Promise<unknown> {
    let refusal = new Refusal(0, "");
    for (let tried = 0; tried < this.nodes.length; tried += 1) {
      try {
        const reply = await this.#fetch(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
        if (reply.ok) return reply.status === 204 ? null : await reply.json();
        refusal = new Refusal(reply.status, await reasonOf(reply));
        if (reply.status !== 503) throw refusal;
      } catch (error) {
        if (error instanceof Refusal && error.status !== 503) throw error;
      }
      this.turn();
    }
    throw refusal;
  }

  async #fetch(path: string, options: RequestInit): Promise<Response> {
    const headers: Record<string, string> = {};
    if (options.body !== undefined) headers["Content-Type"] = "application/json";
    if (this.#pass !== "") headers["Authorization"] = `Bearer ${this.#pass}`;
    return await fetch(this.base + path, { ...options, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  }
}

async function reasonOf(reply: Response): Promise<string> {
  try {
    const told = (await reply.json()) as { error?: { text?: string } };
    return told.error?.text ?? reply.statusText;
  } catch {
    return reply.statusText;
  }
}
