"""
A client over BOSH (XEP-0124, XEP-0206) on a cluster of real nodes: found by host-meta (XEP-0156), talking with a client
over TCP on another node, and resumed on a third one when its node, the leader, was killed.
"""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from gateway.bosh_client import BoshClient
from integration.cluster_process import READY_TIMEOUT_S, Cluster, http_get, wait_until
from integration.xmpp_raw import NS_CLIENT, NS_SID, NS_SM, RawClient, register

pytestmark = pytest.mark.timeout(120)

PASSWORD = "over-http"
XBOSH = "urn:xmpp:alt-connections:xbosh"
XRD = "{http://docs.oasis-open.org/ns/xri/xrd-1.0}"


async def bosh_urls(cluster: Cluster, node_id: int) -> list[str]:
    """Ask a node where BOSH is, in both formats."""
    port = cluster.node(node_id).http
    _, xrd = await http_get(port, "/.well-known/host-meta")
    _, jrd = await http_get(port, "/.well-known/host-meta.json")
    urls = [link.get("href", "") for link in ET.fromstring(xrd).findall(f"{XRD}Link") if link.get("rel") == XBOSH]
    assert urls == [link["href"] for link in json.loads(jrd)["links"] if link["rel"] == XBOSH]
    return urls


def body_of(message: ET.Element) -> str | None:
    return message.findtext(f"{{{NS_CLIENT}}}body")


def stanza_id_of(message: ET.Element) -> str:
    element = message.find(f"{{{NS_SID}}}stanza-id")
    assert element is not None
    return element.get("id", "")


async def test_a_session_over_http_outlives_its_node(cluster: Cluster) -> None:
    """Nothing is lost or doubled: what was not acknowledged comes again under the same stanza id."""
    leader = await cluster.leader()
    second, third = (node_id for node_id in cluster.node_ids if node_id != leader)
    urls = {node_id: f"http://127.0.0.1:{cluster.node(node_id).http}/http-bind" for node_id in cluster.node_ids}

    async def all_are_told() -> bool:
        """Every node names itself first, and the others once they have said where they are."""
        for node_id in cluster.node_ids:
            found = await bosh_urls(cluster, node_id)
            if found[0] != urls[node_id] or sorted(found) != sorted(urls.values()):
                return False
        return True

    await wait_until("all nodes are told by all", all_are_told, READY_TIMEOUT_S)
    for name in ("alice", "bob"):
        await register(cluster.node(second).xmpp, name, PASSWORD)
    alice, again = BoshClient(urls[leader]), BoshClient(urls[third])
    async with RawClient() as bob:
        try:
            await bob.log_in(cluster.node(second).xmpp, "bob", PASSWORD)
            bob.send("<presence/>")
            await alice.log_in("alice", password=PASSWORD)
            alice.send(f"<enable xmlns='{NS_SM}' resume='true'/>".encode())
            enabled = await alice.receive_until("}enabled")
            alice.send(b"<presence xmlns='jabber:client'/>")
            await alice.receive_until("}presence")

            alice.send(b"<message xmlns='jabber:client' to='bob@localhost' type='chat'><body>one</body></message>")
            heard = await bob.wait_stanza(lambda stanza: body_of(stanza) == "one")
            assert heard.get("from") == alice.jid
            bob.send("<message to='alice@localhost' type='chat'><body>two</body></message>")
            first = await alice.receive_until("}message")
            assert body_of(first) == "two"

            await cluster.kill(leader)
            bob.send("<message to='alice@localhost' type='chat'><body>three</body></message>")
            await again.open()
            await again.authenticate("alice", PASSWORD)
            again.send(f"<resume xmlns='{NS_SM}' previd='{enabled.get('id')}' h='0'/>".encode())
            resumed = await again.receive()
            assert resumed.tag == f"{{{NS_SM}}}resumed"
            assert resumed.get("h") in {"1", "2"}  # the presence, and the message that bob has
            repeated, new = await again.receive_until("}message"), await again.receive_until("}message")
            assert [body_of(repeated), body_of(new)] == ["two", "three"]
            assert stanza_id_of(repeated) == stanza_id_of(first)
            again.send(
                b"<message xmlns='jabber:client' to='bob@localhost' type='chat'><body>four</body></message>",
                type="terminate",
            )
            heard = await bob.wait_stanza(lambda stanza: body_of(stanza) == "four")
            assert heard.get("from") == alice.jid
        finally:
            await alice.close()
            await again.close()
