// Server-sent events by `fetch`, since EventSource can show no token. Ends when the node does, or says nothing for a while.

export interface StreamEvent {
  name: string;
  data: unknown;
}

const SILENCE_MS = 3000;
const CONNECT_MS = 4000;

/** Listen to one node. Throws when it cannot be reached, refuses, or falls silent. */
export async function* listen(base: string, pass: string, aborted: AbortSignal): AsyncGenerator<StreamEvent> {
  const watchdog = new AbortController();
  let timer = setTimeout(() => watchdog.abort(), CONNECT_MS);
  try {
    const reply = await fetch(`${base}/console/stream`, {
      headers: { Authorization: `Bearer ${pass}` },
      signal: AbortSignal.any([aborted, watchdog.signal]),
    });
    if (reply.status === 401) {
      yield { name: "over", data: { reason: "signed-out" } };
      return;
    }
    if (!reply.ok || reply.body === null) throw new Error(`refused with ${reply.status}`);
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => watchdog.abort(), SILENCE_MS);
      const parts = (rest + value).split("\n\n");
      rest = parts.pop() ?? "";
      for (const part of parts) yield parse(part);
    }
  } finally {
    clearTimeout(timer);
    watchdog.abort();
  }
}

function parse(block: string): StreamEvent {
  let name = "message";
  let data = "";
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data += line.slice(6);
  }
  return { name, data: JSON.parse(data) };
}
