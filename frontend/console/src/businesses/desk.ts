// What all parts of a business do to it: ask the cluster, say what went wrong, show it anew.

import { type Api, Refusal } from "../api";

export class Desk {
  constructor(
    private readonly api: Api,
    private readonly onFailure: (error: unknown) => void,
    /** Reads and shows all anew. */
    readonly refresh: () => Promise<void>,
  ) {}

  /** Read something; null if it was refused, which is said. */
  async read<Content>(path: string): Promise<Content | null> {
    return await this.#call<Content>("GET", path);
  }

  /** Change something and show it anew; null if it was refused, which is said. */
  async change<Content>(method: string, path: string, body?: unknown): Promise<Content | null> {
    const told = await this.#call<Content>(method, path, body);
    if (told !== null) await this.refresh();
    return told;
  }

  async #call<Content>(method: string, path: string, body?: unknown): Promise<Content | null> {
    try {
      return ((await this.api.call(method, `/admin/v1${path}`, body)) ?? {}) as Content;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.onFailure(error);
      return null;
    }
  }
}
