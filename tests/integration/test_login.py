"""
Modern logins on three nodes: SASL2, Bind 2 and tokens, and a leader that is killed (XEP-0388, XEP-0386, XEP-0484).

No client library that we test with speaks SASL2 yet, so the clients here write it by hand.
"""

from __future__ import annotations

import asyncio

import pytest

from integration.cluster_process import Cluster, wait_until
from integration.xmpp_raw import NS_CLIENT, NS_SM, StreamEndedError, register
from integration.xmpp_sasl2 import NS_FAST, NS_SASL2, LoginFailedError, ModernClient

pytestmark = pytest.mark.timeout(180)

PASSWORD = "one-round-trip"
ALICE_ID, BOB_ID = "d4565fa7-4d72-4749-b3d3-740edbf87770", "0b7a1a5c-4a3e-4e0f-9b53-5f2f0f3c6a11"
RETRY_S = 30.0


async def arrive(cluster: Cluster, client: ModernClient, node_id: int) -> ModernClient:
    """Connect to a node, as soon as it offers SASL2: that waits for the cluster to agree on its version."""

    async def probe() -> ModernClient | None:
        fresh = ModernClient(client.username, client.client_id)
        try:
            await fresh.connect_safely(cluster.node(node_id).xmpp, cluster.ca_file)
        except (OSError, StreamEndedError):
            return None
        if fresh.features.find(f"{{{NS_SASL2}}}authentication") is None:
            await fresh.close()
            return None
        return fresh

    return await wait_until(f"node {node_id} offers SASL2", probe, RETRY_S, interval_s=0.05)


async def by_token(
    cluster: Cluster, client: ModernClient, node_id: int, mechanism: str, token: str, resume: str = ""
) -> ModernClient:
    """Log in by a token, again while there is no leader to agree on it."""

    async def probe() -> ModernClient | None:
        fresh = await arrive(cluster, client, node_id)
        try:
            await fresh.log_in_by_token(mechanism, token, resume=resume)
        except (LoginFailedError, StreamEndedError, OSError) as error:
            await fresh.close()
            if str(error) in {"temporary-auth-failure", "resource-constraint"}:
                return None
            raise
        return fresh

    return await wait_until(f"{client.username} logs in on node {node_id}", probe, RETRY_S, interval_s=0.05)


async def received(client: ModernClient, body: str) -> None:
    """Wait for a message with this body."""
    await client.wait_stanza(lambda stanza: stanza.findtext(f"{{{NS_CLIENT}}}body") == body)


async def test_a_token_outlives_the_leader(cluster: Cluster) -> None:
    """
    Alice logs in on the leader and gets a token; the leader is killed; by the token she goes on elsewhere, at once.

    Her session is the same, and what Bob wrote meanwhile is there. Later she binds anew by the same token, under the
    resource that she had, and a new password ends it on every node.
    """
    mechanism = "HT-SHA-256-ENDP"
    leader = await cluster.leader()
    one, two = (node_id for node_id in cluster.node_ids if node_id != leader)
    for name in ("alice", "bob"):
        await register(cluster.node(one).xmpp, name, PASSWORD)
    alice = await arrive(cluster, ModernClient("alice", ALICE_ID), leader)
    bob = await arrive(cluster, ModernClient("bob", BOB_ID), one)
    await alice.log_in_by_password(PASSWORD, mechanism)
    await bob.log_in_by_password(PASSWORD)
    assert alice.jid.startswith("alice@localhost/Raw/")
    alice.send("<presence/>")
    bob.send_chat("alice@localhost", "before", "m1")
    await received(alice, "before")
    await bob.wait_acked(1)

    await cluster.kill(leader)
    resume = f"<resume xmlns='{NS_SM}' previd='{alice.resumption_id}' h='{alice.received_count}'/>"
    again, _ = await asyncio.gather(
        by_token(cluster, alice, two, mechanism, alice.token, resume), say_meanwhile(cluster, bob, one)
    )
    assert again.is_resumed
    assert again.jid == alice.jid
    await received(again, "meanwhile")
    assert again.send_chat("bob@localhost", "here again", "m3")

    await alice.close()
    third = await by_token(cluster, again, one, mechanism, alice.token)
    assert not third.is_resumed
    assert third.jid == alice.jid, "the same client has the same resource"
    assert await again.wait_end(10) == "conflict"

    folder = ("--data", str(cluster.data))
    changed = await cluster.command("user", "passwd", "alice", *folder, "--password-stdin", stdin="another\n")
    assert changed.returncode == 0, changed.stderr
    for node_id in (one, two):
        late = await arrive(cluster, alice, node_id)
        with pytest.raises(LoginFailedError, match="not-authorized"):
            await late.log_in_by_token(mechanism, alice.token)
        await late.close()
    for client in (again, third, bob):
        await client.close()


async def say_meanwhile(cluster: Cluster, bob: ModernClient, node_id: int) -> None:
    """Write while there may be no leader; on a stream that ended over it, on another one."""
    bob.send_chat("alice@localhost", "meanwhile", "m2")
    try:
        await bob.wait_acked(bob.sent_count)
    except StreamEndedError:
        fresh = await arrive(cluster, bob, node_id)
        await fresh.log_in_by_password(PASSWORD)
        fresh.send_chat("alice@localhost", "meanwhile", "m2")
        await fresh.wait_acked(fresh.sent_count)
        await fresh.close()


async def test_tokens_come_and_go(cluster: Cluster) -> None:
    """A counter counts on all nodes, a token is for one client and one mechanism, and logging out ends it."""
    one, two, three = cluster.node_ids
    await register(cluster.node(one).xmpp, "carol", PASSWORD)
    first = await arrive(cluster, ModernClient("carol", ALICE_ID), one)
    await first.log_in_by_password(PASSWORD, "HT-SHA-256-NONE")
    token = first.token

    async def attempt(node_id: int, attributes: str, client_id: str = ALICE_ID, mechanism: str = "NONE") -> str:
        """Log in by the token; return the condition of the failure, or nothing."""
        client = await arrive(cluster, ModernClient("carol", client_id), node_id)
        try:
            inline = f"<fast xmlns='{NS_FAST}' {attributes}/>"
            await client.log_in_by_token(f"HT-SHA-256-{mechanism}", token, inline=inline)
        except LoginFailedError as error:
            return str(error)
        finally:
            await client.close()
        return ""

    assert await attempt(two, "count='1'") == ""
    assert await attempt(three, "count='1'") == "not-authorized"
    assert await attempt(three, "count='2'") == ""
    assert await attempt(one, "", client_id=BOB_ID) == "not-authorized"
    assert await attempt(two, "", mechanism="ENDP") == "not-authorized"
    assert await attempt(two, "invalidate='true'") == ""
    for node_id in (one, two, three):
        assert await attempt(node_id, "count='9'") == "not-authorized"
    await first.close()
