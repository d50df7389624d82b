"""BOSH in Chromium, by Strophe.js, the connection layer of Converse.js: a client that we did not write."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from playwright.async_api import Browser

from integration.cluster_process import Cluster
from integration.xmpp_raw import NS_CLIENT, RawClient, register

pytestmark = pytest.mark.timeout(120)

PASSWORD = "in a browser"
CONVERSE = json.loads((Path(__file__).resolve().parents[2] / "package.json").read_text())["dependencies"]["converse.js"]
TALK = """
async ([service, jid, password]) => {
  const { default: converse } = await import("/static/converse-VERSION/converse.min.js");
  const { Strophe, $msg, $pres } = converse.env;
  const connection = new Strophe.Connection(service, { keepalive: false });
  return await new Promise((resolve, reject) => {
    connection.addHandler((stanza) => {
      connection.disconnect("done");
      resolve(stanza.querySelector("body").textContent);
    }, null, "message", "chat");
    connection.connect(jid, password, (status, condition) => {
      if (status === Strophe.Status.CONNECTED) {
        connection.send($pres());
        connection.send($msg({ to: "bob@localhost", type: "chat" }).c("body").t("from a browser"));
      } else if (status === Strophe.Status.AUTHFAIL || status === Strophe.Status.CONNFAIL) {
        reject(new Error(`status ${status}: ${condition}`));
      }
    });
  });
}
"""


async def test_strophe_talks_over_bosh(cluster: Cluster, browser: Browser) -> None:
    """Log in at one node, from the page of another (CORS), send, and be answered."""
    for name in ("alice", "bob"):
        await register(cluster.node(1).xmpp, name, PASSWORD)
    page = await (await browser.new_context(bypass_csp=True)).new_page()  # our own page has WebSockets alone
    await page.goto(f"http://127.0.0.1:{cluster.node(1).http}/")
    service = f"http://127.0.0.1:{cluster.node(2).http}/http-bind"
    async with RawClient() as bob:
        await bob.log_in(cluster.node(3).xmpp, "bob", PASSWORD)
        bob.send("<presence/>")
        talk = asyncio.ensure_future(
            page.evaluate(TALK.replace("VERSION", CONVERSE), [service, "alice@localhost", PASSWORD])
        )
        heard = await bob.wait_stanza(lambda stanza: stanza.findtext(f"{{{NS_CLIENT}}}body") == "from a browser")
        bob.send(f"<message to='{heard.get('from')}' type='chat'><body>from a socket</body></message>")
        assert await talk == "from a socket"
