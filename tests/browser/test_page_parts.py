"""The page's own modules, each alone in Chromium without a server: which node is next, what must be sent again."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page

from browser.modules import page

__all__ = ["page"]


async def ring(page: Page, location: str, websockets: list[str], steps: int) -> list[str]:
    """Where a ring of nodes begins and the addresses it goes on to."""
    found: list[str] = await page.evaluate(
        """async ([location, websockets, steps]) => {
            const { NodeRing } = await import("/modules/messenger/nodes.js");
            const ring = new NodeRing(new URL(location), websockets);
            return [ring.current, ...Array.from({ length: steps }, () => ring.advance())];
        }""",
        [location, websockets, steps],
    )
    return found


async def test_the_ring_begins_here_and_visits_every_node_once(page: Page) -> None:
    """The serving node comes first, loopback names are one host, and after the last node comes the first."""
    nodes = [f"ws://127.0.0.1:{port}/xmpp-websocket" for port in (15002, 15012, 15022)]
    visited = await ring(page, "http://localhost:15012/", nodes, 3)
    own = "ws://localhost:15012/xmpp-websocket"
    assert visited == [own, nodes[0], nodes[2], own]


async def test_the_ring_uses_tls_where_the_page_does(page: Page) -> None:
    """Behind HTTPS the address is `wss`, and nodes on other hosts are told apart by their names."""
    nodes = ["wss://one.example/xmpp-websocket", "wss://two.example/xmpp-websocket"]
    assert await ring(page, "https://two.example/", nodes, 2) == [nodes[1], nodes[0], nodes[1]]


async def test_the_ring_of_one_node_stays_there(page: Page) -> None:
    """A cluster of one node is asked again and again."""
    nodes = ["ws://127.0.0.1:15002/xmpp-websocket"]
    assert await ring(page, "http://127.0.0.1:15002/", nodes, 2) == nodes * 3


async def outbox(page: Page, script: str) -> Any:
    """Run a script on a fresh outbox; `stanza(id)` makes messages, `ids()` tells what would be sent again."""
    return await page.evaluate(
        """async (script) => {
            const { Outbox } = await import("/modules/messenger/outbox.js");
            const box = new Outbox();
            const text = (id) => `<message xmlns="jabber:client" to="a@b"><body>x</body>`
                + `<origin-id xmlns="urn:xmpp:sid:0" id="${id}"/></message>`;
            const stanza = (id) => new DOMParser().parseFromString(text(id), "text/xml").documentElement;
            const ids = () => box.stanzasToResend().map((one) => one.querySelector("origin-id").id);
            return new Function("box", "text", "stanza", "ids", script)(box, text, stanza, ids);
        }""",
        script,
    )


async def test_the_outbox_keeps_what_was_not_acknowledged(page: Page) -> None:
    """Of three sent messages the first is acknowledged: the other two go out again, in order."""
    script = """
        for (const id of ["m1", "m2", "m3"]) { box.written(stanza(id)); box.sent(stanza(id), true); }
        box.acknowledged([text("m2"), text("m3")]);
        return ids();
    """
    assert await outbox(page, script) == ["m2", "m3"]


async def test_the_outbox_keeps_what_was_written_without_a_link(page: Page) -> None:
    """A message that never went out is not taken for acknowledged when others are."""
    script = """
        box.written(stanza("m1"));
        box.sent(stanza("m1"), true);
        box.written(stanza("m2"));
        box.acknowledged([]);
        return ids();
    """
    assert await outbox(page, script) == ["m2"]


async def test_the_outbox_forgets_after_a_second_chance(page: Page) -> None:
    """What is sent again on a new stream and acknowledged there is not sent a third time."""
    script = """
        box.written(stanza("m1"));
        box.sent(stanza("m1"), true);
        const first = ids();
        box.acknowledged([]);
        const before = ids();
        box.sent(stanza("m1"), true);
        box.acknowledged([]);
        return [first, before, ids()];
    """
    assert await outbox(page, script) == [["m1"], ["m1"], []]


async def test_the_outbox_waits_for_nothing_on_a_stream_that_does_not_count(page: Page) -> None:
    """Without stream management no acknowledgement can come, so nothing is kept."""
    assert await outbox(page, "box.written(stanza('m1')); box.sent(stanza('m1'), false); return ids();") == []


async def test_a_file_is_fetched_from_the_node_in_use(page: Page) -> None:
    """An address of any node is led to the one in use, another one is left alone."""
    found = await page.evaluate(
        """async () => {
            const { NodeRing } = await import("/modules/messenger/nodes.js");
            const nodes = [15002, 15012].map((port) => `ws://127.0.0.1:${port}/xmpp-websocket`);
            const ring = new NodeRing(new URL("http://127.0.0.1:15002/"), nodes);
            const file = "http://127.0.0.1:15002/upload/0/cat.png";
            const first = ring.fileAt(file);
            ring.advance();
            return [first, ring.fileAt(file), ring.fileAt("https://elsewhere.example/cat.png")];
        }"""
    )
    assert found == [
        "http://127.0.0.1:15002/upload/0/cat.png",
        "http://127.0.0.1:15012/upload/0/cat.png",
        "https://elsewhere.example/cat.png",
    ]
