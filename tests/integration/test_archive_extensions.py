"""
What becomes of archives, with a library's clients on three nodes and through the death of the leader.

Preferences (XEP-0441), retraction (XEP-0424), search (XEP-0431), reports (XEP-0377).
"""

from __future__ import annotations

import pytest

from integration.cluster_process import Cluster, wait_until
from integration.test_formats import wait_upgraded
from integration.xmpp_client import CONNECT_TIMEOUT_S, Client
from integration.xmpp_raw import NS_CLIENT, NS_MAM, RawClient

pytestmark = pytest.mark.timeout(120)

NS_DATA = "jabber:x:data"
NS_RETRACT = "urn:xmpp:message-retract:1"
SEARCH_FIELD = "{urn:xmpp:fulltext:0}fulltext"
BODY = f"{{{NS_CLIENT}}}body"
PLUGINS = ("xep_0191", "xep_0377", "xep_0424", "xep_0441")


async def log_in(cluster: Cluster, name: str, node_id: int, *, is_new: bool = False) -> Client:
    """A client of the library on one node."""
    client = Client(name, f"secret-{name}", ca_file=cluster.ca_file)
    for plugin in PLUGINS:
        client.register_plugin(plugin)
    port = cluster.node(node_id).xmpp
    await (client.register_account(port) if is_new else client.log_in(port))
    return client


async def texts_of(client: Client) -> list[str]:
    """Texts of the whole archive; `(retracted by …)` for tombstones."""
    texts = []
    async for stanza in client.plugin["xep_0313"].iterate(rsm={"max": 10}):
        message = stanza["mam_result"]["forwarded"]["stanza"]
        tombstone = message.xml.find(f"{{{NS_RETRACT}}}retracted")
        texts.append(message["body"] if tombstone is None else f"(retracted by {tombstone.get('id')})")
    return texts


async def search(cluster: Cluster, name: str, node_id: int, text: str) -> list[str]:
    """Search an archive through one node; the texts that are found."""
    async with RawClient() as client:
        await client.log_in(cluster.node(node_id).xmpp, name, f"secret-{name}", resource=f"search-{node_id}")
        kind = f"<field var='FORM_TYPE'><value>{NS_MAM}</value></field>"
        field = f"<field var='{SEARCH_FIELD}'><value>{text}</value></field>"
        form = f"<x xmlns='{NS_DATA}' type='submit'>{kind}{field}</x>"
        answer = await client.ask("set", f"<query xmlns='{NS_MAM}' queryid='s'>{form}</query>")
        assert answer.get("type") == "result"
        results = [found for stanza in client.stanzas if (found := stanza.find(f"{{{NS_MAM}}}result")) is not None]
        return [result.findtext(f".//{BODY}") or "" for result in results]


async def test_what_is_taken_back_is_gone_everywhere(cluster: Cluster) -> None:
    """Retracted on one node, it is a tombstone on all, in both archives, and no search finds it; also afterwards."""
    await wait_upgraded(cluster)
    anna = await log_in(cluster, "anna", 1, is_new=True)
    bert = await log_in(cluster, "bert", 2, is_new=True)
    anna.say("bert@localhost", "tea at five", "a-1")
    anna.say("bert@localhost", "tea with the secret ingredient", "a-2")
    await bert.wait_received("tea with the secret ingredient")
    bert.say("anna@localhost", "tea it is", "b-1")
    await anna.wait_received("tea it is")
    assert await search(cluster, "bert", 3, "secret") == ["tea with the secret ingredient"]

    anna.plugin["xep_0424"].send_retraction(
        "bert@localhost", "a-2", mtype="chat", include_fallback=True, fallback_text="/me took it back"
    )
    await bert.wait_received("/me took it back")
    desk = await log_in(cluster, "anna", 3)
    for client in (desk, bert):  # Bert has been shown the retraction, and the desk was bound behind it
        first, tombstone, *rest = await texts_of(client)
        assert (first, rest) == ("tea at five", ["tea it is", "/me took it back"])
        assert tombstone.startswith("(retracted by ")
    for node_id in (1, 2, 3):
        assert await search(cluster, "bert", node_id, "secret") == []
        assert await search(cluster, "anna", node_id, "TEA") == ["tea at five", "tea it is"]

    for client in (anna, desk, bert):
        await client.log_out()
    leader = await cluster.leader()
    await cluster.kill(leader)
    survivor = next(node_id for node_id in (1, 2, 3) if node_id != leader)
    again = await log_in(cluster, "bert", survivor)
    assert [text for text in await texts_of(again) if "secret" in text] == []
    assert await search(cluster, "bert", survivor, "five") == ["tea at five"]
    again.say("anna@localhost", "tea without it", "b-2")

    async def is_found() -> bool:
        return "tea without it" in await search(cluster, "anna", survivor, "without")

    await wait_until("what was said since is found", is_found, CONNECT_TIMEOUT_S)
    await again.log_out()
    await cluster.start_node(leader)
    await cluster.wait_healthy()
    assert await search(cluster, "anna", leader, "tea") == ["tea at five", "tea it is", "tea without it"]
    await cluster.wait_equal_hashes()


async def test_preferences_hold_on_every_node(cluster: Cluster) -> None:
    """Set through one node, they count for what comes through the others, and survive the leader."""
    await wait_upgraded(cluster)
    anna = await log_in(cluster, "anna", 1, is_new=True)
    bert = await log_in(cluster, "bert", 2, is_new=True)
    await anna.plugin["xep_0441"].set_preferences(default="always", always=[], never=["bert@localhost"])
    bert.say("anna@localhost", "off the record", "b-1")
    await anna.wait_received("off the record")
    assert await texts_of(anna) == []
    assert await texts_of(bert) == ["off the record"]

    await anna.plugin["xep_0377"].report("eve@localhost", reason="spam")
    blocked = await anna.plugin["xep_0191"].get_blocked()
    assert {str(item["jid"]) for item in blocked["blocklist"]["items"]} == {"eve@localhost"}
    for client in (anna, bert):
        await client.log_out()
    leader = await cluster.leader()
    await cluster.kill(leader)
    survivors = [node_id for node_id in (1, 2, 3) if node_id != leader]
    anna, bert = await log_in(cluster, "anna", survivors[0]), await log_in(cluster, "bert", survivors[1])
    default, always, never = await anna.plugin["xep_0441"].get_preferences()
    assert (default, always, {str(jid) for jid in never}) == ("always", set(), {"bert@localhost"})
    anna.say("bert@localhost", "still off the record", "a-1")
    await bert.wait_received("still off the record")
    assert await texts_of(anna) == []
    assert await texts_of(bert) == ["off the record", "still off the record"]
    await anna.log_out()
    await bert.log_out()
