/**
 * Which node the page talks to.
 *
 * Any node serves any client, so when the link to one breaks the page goes on with the next in the list, round and
 * round. The list begins with the node that served the page.
 */

const LOOPBACK = new Set(["127.0.0.1", "localhost", "[::1]"]);

/** Two addresses of one node: on loopback the port tells, elsewhere host and port do. */
function isSameNode(left: URL, right: URL): boolean {
  const sameHost = left.hostname === right.hostname || (LOOPBACK.has(left.hostname) && LOOPBACK.has(right.hostname));
  return sameHost && left.port === right.port;
}

export class NodeRing {
  private readonly urls: URL[];
  private place = 0;

  /** @param websockets The WebSocket address of every node. */
  constructor(location: { protocol: string; host: string }, websockets: string[]) {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const own = new URL(`${scheme}//${location.host}/xmpp-websocket`);
    const others = websockets.map((text) => new URL(text)).filter((url) => !isSameNode(url, own));
    this.urls = [own, ...others];
  }

  private get url(): URL {
    return this.urls[this.place] as URL; // the list is never empty
  }

  /** The address in use. */
  get current(): string {
    return this.url.href;
  }

  /** Go on to the next node and return its address. */
  advance(): string {
    this.place = (this.place + 1) % this.urls.length;
    return this.current;
  }

  /** Where the node in use serves a file that has the address of some node; other addresses stay as they are. */
  fileAt(address: string): string {
    const file = new URL(address);
    const secure = this.url.protocol === "wss:";
    if (!this.urls.some((url) => isSameNode(url, file))) return address;
    file.protocol = secure ? "https:" : "http:";
    file.host = this.url.host;
    return file.href;
  }
}
