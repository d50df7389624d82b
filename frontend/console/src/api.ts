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
  lifetime_ms: number;
  account: string;
}

const TIMEOUT_MS = 6000;
const SESSION = "/console/session";
const FORGET_KEY = "raftline-console-forget";

export class Api {
  /** Where the nodes are; the one that is asked first comes first. */
  nodes: string[] = [location.origin];
  account = "";
  #pass = "";
  #lifetimeMs = 0;

  get isSignedIn(): boolean {
    return this.#pass !== "";
  }

  get pass(): string {
    return this.#pass;
  }

  /** How long after it came the pass should be renewed. */
  get renewAfterMs(): number {
    return Math.max(1000, this.#lifetimeMs / 2);
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
    localStorage.removeItem(FORGET_KEY);
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

  /** Forget the pass, and have the cookie forgotten, which the node that this page came from has set. */
  async signOut(): Promise<void> {
    this.#pass = "";
    localStorage.setItem(FORGET_KEY, "true");
    await this.forget().catch(() => undefined); // a dead node takes it away at the next visit
  }

  /** Have a cookie forgotten that should have been at the last visit. */
  async forget(): Promise<void> {
    if (localStorage.getItem(FORGET_KEY) === null) return;
    const reply = await fetch(SESSION, { method: "DELETE", signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (reply.ok) localStorage.removeItem(FORGET_KEY);
  }

  /** Call the administration interface; renews the pass once if it is over. */
  async call(method: string, path: string, body?: unknown): Promise<unknown> {
    // One key for all tries: a change that a dying node did and could not tell of is not done again by the next one.
    const key = method === "GET" ? "" : drawKey();
    try {
      return await this.#send(method, path, body, key);
    } catch (error) {
      if (!(error instanceof Refusal) || error.status !== 401 || !(await this.renew())) throw error;
      return await this.#send(method, path, body, key);
    }
  }

  #take(pass: Pass): void {
    this.#pass = pass.pass;
    this.#lifetimeMs = pass.lifetime_ms;
    this.account = pass.account;
  }

  /** Try each node once, from the first; what needs a quorum may be refused by one that has none. */
  async #send(method: string, path: string, body?: unknown, key = ""): Promise<unknown> {
    let refusal = new Refusal(0, "");
    for (let tried = 0; tried < this.nodes.length; tried += 1) {
      try {
        const reply = await this.#fetch(path, {
          method,
          headers: key === "" ? {} : { "Idempotency-Key": key },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
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

  async #fetch(path: string, options: RequestInit & { headers?: Record<string, string> }): Promise<Response> {
    const headers: Record<string, string> = { ...options.headers };
    if (options.body !== undefined) headers["Content-Type"] = "application/json";
    if (this.#pass !== "") headers.Authorization = `Bearer ${this.#pass}`;
    return await fetch(this.base + path, { ...options, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  }
}

function drawKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function reasonOf(reply: Response): Promise<string> {
  try {
    const told = (await reply.json()) as { error?: { text?: string } };
    return told.error?.text ?? reply.statusText;
  } catch {
    return reply.statusText;
  }
}
