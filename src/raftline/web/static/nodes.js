/**
 * Which node the page talks to.
 *
 * Any node serves any client, so when the link to one breaks the page goes on with the next in the list, round and
 * round. The list begins with the node that served the page.
 */

const LOOPBACK = new Set(["127.0.0.1", "localhost", "[::1]"]);

/** Two addresses of one node: on loopback the port tells, elsewhere host and port do. */
function isSameNode(left, right) {
  const sameHost = left.hostname === right.hostname || (LOOPBACK.has(left.hostname) && LOOPBACK.has(right.hostname));
  return sameHost && left.port === right.port;
}

export class NodeRing {
  /**
   * @param {Location} location - Where the page was served from.
   * @param {string[]} websockets - The WebSocket address of every node.
   */
  constructor(location, websockets) {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const own = new URL(`${scheme}//${location.host}/xmpp-websocket`);
    const others = websockets.map((text) => new URL(text)).filter((url) => !isSameNode(url, own));
    this.urls = [own, ...others].map((url) => url.href);
    this.place = 0;
  }

  /** The address in use. */
  get current() {
    return this.urls[this.place];
  }

  /** Go on to the next node and return its address. */
  advance() {
    this.place = (this.place + 1) % this.urls.length;
    return this.current;
  }
}
