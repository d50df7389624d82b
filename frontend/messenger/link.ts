/**
 * Repairs to how Converse.js and Strophe.js take a failing WebSocket, so that the page can go from node to node.
 *
 * When a connection cannot be made the browser fires `error` and then `close`. Strophe.js answers both with a
 * disconnect, the first of them late: it hits the next attempt, which Converse.js then takes for the end of the session.
 * Here `close` alone counts. A close with a code of its own before the stream is up (a node shutting down) counts too, and
 * so does a node that accepts and stays silent.
 */

import type { Connection } from "converse";

const CONNECT_TIMEOUT_MS = 8000;

/** Make `close` the one event that ends an attempt. To be called for each new connection. */
export function repairConnection(connection: Connection): void {
  const proto = connection._proto;
  const onClose = proto._onClose.bind(proto) as (event: unknown) => void;
  proto._onError = () => {};
  proto._onClose = (event) => {
    const reason = (event as CloseEvent | undefined)?.reason;
    onClose(connection.connected ? event : { code: 1006, reason });
  };
}

/** Ends an attempt that neither succeeds nor fails in time. */
export class ConnectTimer {
  private handle: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly expired: () => void) {}

  start(): void {
    this.stop();
    this.handle = setTimeout(this.expired, CONNECT_TIMEOUT_MS);
  }

  stop(): void {
    clearTimeout(this.handle);
    this.handle = undefined;
  }
}
