"""Two unmodified XMPP clients on different nodes: register, meet, chat, go away, come back, read history."""

from __future__ import annotations

import base64

import pytest

from integration.archive import check_exactly_once, read_archive
from integration.cluster_process import Cluster, http_get
from integration.xmpp_client import Client, ConnectError
from integration.xmpp_raw import NS_SASL, NS_TLS, RawClient, StreamEndedError, register

pytestmark = pytest.mark.timeout(120)


async def test_two_clients_on_two_nodes_chat_and_read_their_history(cluster: Cluster) -> None:
    """Registration, contacts, chat, offline messages and archive work across nodes, over STARTTLS."""
    anna = Client("anna", "wonder-land-1", ca_file=cluster.ca_file)
    await anna.register_account(cluster.node(1).xmpp)
    bert = Client("bert", "looking-glass-2", ca_file=cluster.ca_file)
    await bert.register_account(cluster.node(2).xmpp)

    await anna.add_contact("bert@localhost")
    anna.say("bert@localhost", "hello bert", "a-1")
    assert (await bert.wait_received("hello bert")).sender == "anna@localhost"
    bert.say("anna@localhost", "hello anna", "b-1")
    assert (await anna.wait_received("hello anna")).sender == "bert@localhost"

    await bert.log_out()
    anna.say("bert@localhost", "are you there?", "a-2")
    anna.say("bert@localhost", "call me", "a-3")
    history = await anna.read_history()  # answered after the two messages before it on the same stream
    assert [body for _, body in history] == ["hello bert", "hello anna", "are you there?", "call me"]

    bert = Client("bert", "looking-glass-2", ca_file=cluster.ca_file)
    await bert.log_in(cluster.node(3).xmpp)
    missed = [await bert.wait_received(body) for body in ("are you there?", "call me")]
    assert [message.body for message in bert.received] == ["are you there?", "call me"]
    assert all(message.is_delayed for message in missed), "offline messages bear no delay stamp (XEP-0203)"
    assert await bert.read_history(page_size=2) == history

    await anna.log_out()
    await bert.log_out()
    await cluster.wait_equal_hashes()


async def test_archives_are_the_same_through_every_node(cluster: Cluster) -> None:
    """What one node acknowledged can be read through all of them at once (P4)."""
    async with RawClient() as anna:
        await register(cluster.node(1).xmpp, "anna", "secret-1")
        await register(cluster.node(1).xmpp, "bert", "secret-2")
        await anna.log_in(cluster.node(1).xmpp, "anna", "secret-1")
        origin_ids = [f"m-{number}" for number in range(25)]
        for origin_id in origin_ids:
            anna.send_chat("bert@localhost", origin_id, origin_id)
        await anna.wait_acked(anna.sent_count)

    for node_id in cluster.node_ids:
        for username, password in (("anna", "secret-1"), ("bert", "secret-2")):
            async with RawClient() as reader:
                await reader.log_in(cluster.node(node_id).xmpp, username, password)
                rows = await read_archive(reader, page_size=7)
                assert [row.body for row in rows] == origin_ids
                check_exactly_once(rows, origin_ids, f"{username} through node {node_id}")


async def test_resending_under_the_same_origin_id_changes_nothing(cluster: Cluster) -> None:
    """A message sent again over another node, as after an unknown outcome, is archived once (P2)."""
    await register(cluster.node(1).xmpp, "anna", "secret-1")
    await register(cluster.node(1).xmpp, "bert", "secret-2")
    for node_id in cluster.node_ids:
        async with RawClient() as anna:
            await anna.log_in(cluster.node(node_id).xmpp, "anna", "secret-1")
            await anna.wait_acked(anna.send_chat("bert@localhost", "once", "the-same-id"))
            rows = await read_archive(anna)
    assert [row.body for row in rows] == ["once"]


async def test_plain_is_offered_under_tls_alone(cluster: Cluster) -> None:
    """PLAIN is neither offered nor taken before TLS, and works after it."""
    await register(cluster.node(1).xmpp, "anna", "secret-1")
    plain = base64.b64encode(b"\0anna\0secret-1").decode()
    async with RawClient() as client:
        await client.connect(cluster.node(1).xmpp)
        assert "PLAIN" not in mechanisms(client)
        assert client.features.find(f"{{{NS_TLS}}}starttls") is not None
        client.write(f"<auth xmlns='{NS_SASL}' mechanism='PLAIN'>{plain}</auth>")
        failure = await client.read_element()
        assert failure.tag == f"{{{NS_SASL}}}failure"
        assert failure[0].tag in {f"{{{NS_SASL}}}invalid-mechanism", f"{{{NS_SASL}}}encryption-required"}
    async with RawClient() as client:
        await client.connect(cluster.node(1).xmpp)
        await client.start_tls(cluster.ca_file)
        assert "PLAIN" in mechanisms(client)
        client.write(f"<auth xmlns='{NS_SASL}' mechanism='PLAIN'>{plain}</auth>")
        assert (await client.read_element()).tag == f"{{{NS_SASL}}}success"


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
async def test_scram_accepts_the_password_and_nothing_else(cluster: Cluster, mechanism: str) -> None:
    """Right passwords log in through any node; wrong ones and unknown names get `not-authorized` alike."""
    await register(cluster.node(1).xmpp, "anna", "secret-1")
    for username, password, is_right in (("anna", "secret-1", True), ("anna", "wrong", False), ("nemo", "x", False)):
        async with RawClient() as client:
            await client.connect(cluster.node(3).xmpp)
            if is_right:
                await client.authenticate(username, password, mechanism)
            else:
                with pytest.raises(StreamEndedError, match="not-authorized"):
                    await client.authenticate(username, password, mechanism)


async def test_registration_refuses_a_taken_name(cluster: Cluster) -> None:
    """Two registrations of one name through different nodes: the second gets `conflict` (XEP-0077 section 3.1)."""
    anna = Client("anna", "first-password")
    await anna.register_account(cluster.node(1).xmpp)
    again = Client("anna", "second-password")
    with pytest.raises(ConnectError, match="conflict"):
        await again.register_account(cluster.node(2).xmpp)
    await again.log_out()
    await anna.log_out()


async def test_http_endpoints_answer(cluster: Cluster) -> None:
    """Health, metrics, the page and its configuration are served by every node."""
    for node_id in cluster.node_ids:
        port = cluster.node(node_id).http
        for path, part in (
            ("/healthz", b""),
            ("/metrics", b"# TYPE"),
            ("/", b"<title>Raftline</title>"),
            ("/static/icon.svg", b"<svg"),
            ("/invite/", b"<title>Invitation</title>"),
            ("/client-config.json", b'"websockets"'),
        ):
            status, body = await http_get(port, path)
            assert status == 200, f"{path} through node {node_id}: {status}"
            assert part in body, f"{path} through node {node_id}"


def mechanisms(client: RawClient) -> set[str]:
    """SASL mechanisms in the last stream features."""
    return {element.text or "" for element in client.features.iter(f"{{{NS_SASL}}}mechanism")}
