"""Nodes that are stopped in order, leaderships that are handed over, settings that change while a node runs."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import ssl
import statistics
import time

import pytest

from integration.archive import check_exactly_once, read_archive
from integration.cluster_process import Cluster, wait_until
from integration.resumer import Resumer
from integration.xmpp_raw import NS_SID, RawClient, register
from raftline.server.development_layout import settings_file

pytestmark = pytest.mark.timeout(240)

RESTART_COUNT = 10
SEND_INTERVAL_S = 0.004
WARM_COUNT = 20
WATCHED_S = 1.0
GAP_MAX_S = 5.0
PASSWORD = "secret-1"


class Writer:
    """Sends small messages at a steady pace through one node and notes when each acknowledgement came."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.acked_at: list[float] = []
        self.sent: list[str] = []
        client.on_ack = lambda _count: self.acked_at.append(time.monotonic())

    async def run(self, name: str) -> None:
        """Send until cancelled."""
        while not self.client.is_over:
            origin_id = f"{name}-{len(self.sent)}"
            self.client.send_chat(f"{name}@localhost", origin_id, origin_id)
            self.sent.append(origin_id)
            await asyncio.sleep(SEND_INTERVAL_S)

    async def is_warm(self) -> bool:
        """Whether acknowledgements flow."""
        return len(self.acked_at) >= WARM_COUNT

    def gap_after(self, moment: float) -> float:
        """The longest time without an acknowledgement within a while after this moment, in seconds."""
        first = max(place for place, acked in enumerate(self.acked_at) if acked <= moment)
        moments = [acked for acked in self.acked_at[first:] if acked <= moment + WATCHED_S]
        return max(later - earlier for earlier, later in itertools.pairwise(moments))


async def restart_leader(cluster: Cluster, name: str) -> tuple[float, list[str]]:
    """SIGTERM to the leader while another node's client writes; returns the gap and what was sent, all of it taken."""
    leader = await cluster.leader()
    other = next(node_id for node_id in cluster.node_ids if node_id != leader)
    async with RawClient() as anna, RawClient() as guest:
        await anna.log_in(cluster.node(other).xmpp, "anna", PASSWORD)
        await guest.log_in(cluster.node(leader).xmpp, name, PASSWORD)
        writer = Writer(anna)
        sender = asyncio.create_task(writer.run(name))
        await wait_until("acknowledgements flow", writer.is_warm, 20)
        stopping = asyncio.create_task(cluster.kill(leader, signal.SIGTERM))
        assert await guest.wait_end(5) == "system-shutdown"
        assert guest.has_stream_closed
        await guest.close()
        moment = await stopping

        async def is_watched() -> bool:
            return time.monotonic() > moment + WATCHED_S

        await wait_until("the time after it to pass", is_watched, 10)
        sender.cancel()
        await anna.wait_acked(anna.sent_count)
        assert not anna.is_over, anna.end_reason
        assert not [stanza for stanza in anna.stanzas if stanza.get("type") == "error"], "a message was refused"
        gap_s = writer.gap_after(moment)
    await cluster.start_node(leader)
    await cluster.wait_healthy()
    return gap_s, writer.sent


async def test_a_leader_is_restarted_and_writers_hardly_notice(cluster: Cluster) -> None:
    """SIGTERM: the leadership goes first, the node's clients are told, no message of the others' is refused or lost."""
    await register(cluster.node(1).xmpp, "anna", PASSWORD)
    gaps: list[float] = []
    sent: list[str] = []
    for number in range(RESTART_COUNT):
        name = f"bert-{number}"  # one each: offline messages have a bound
        await register(cluster.node(1).xmpp, name, PASSWORD)
        gap_s, written = await restart_leader(cluster, name)
        gaps.append(gap_s)
        sent += written
    low_ms, median_ms, high_ms = (1000 * value for value in (min(gaps), statistics.median(gaps), max(gaps)))
    print(
        f"\nlongest pause between acknowledgements at {RESTART_COUNT} graceful restarts of the leader (one message "
        f"every {SEND_INTERVAL_S * 1000:.0f} ms): min {low_ms:.1f} ms, median {median_ms:.1f} ms, max {high_ms:.1f} ms"
    )
    assert max(gaps) < GAP_MAX_S
    async with RawClient() as anna:
        await anna.log_in(cluster.node(1).xmpp, "anna", PASSWORD)
        check_exactly_once(await read_archive(anna), sent, "anna")
    await cluster.wait_equal_hashes()


async def test_the_leadership_goes_where_an_operator_wants_it(cluster: Cluster) -> None:
    """`cluster transfer`: to a named node, to any other, to one that does not exist, to one that is down."""
    leader = await cluster.leader()
    target, other = (node_id for node_id in cluster.node_ids if node_id != leader)
    data = ("--data", str(cluster.data))
    done = await cluster.command("cluster", "transfer", "--to", str(target), *data)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"Node {target} leads."
    assert (await cluster.status())["leader"] == target

    done = await cluster.command("cluster", "transfer", "--to", str(target), *data)
    assert (done.returncode, done.stdout) == (0, f"Node {target} leads already.\n")

    done = await cluster.command("cluster", "transfer", *data)
    assert done.returncode == 0, done.stderr
    assert (await cluster.status())["leader"] not in (None, target)

    done = await cluster.command("cluster", "transfer", "--to", "77", *data)
    assert done.returncode == 1
    assert "no node 77" in done.stderr

    leader = await cluster.leader()
    down = other if leader != other else target
    await cluster.kill(down)
    done = await cluster.command("cluster", "transfer", "--to", str(down), *data)
    assert done.returncode == 1, done.stdout
    assert f"Node {leader} still leads" in done.stderr


async def certificate_of(port: int) -> bytes:
    """The certificate a node shows on its port for direct TLS (DER)."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    assert isinstance(shown, bytes)
    return shown


async def test_certificates_and_limits_are_read_again(cluster: Cluster) -> None:
    """SIGHUP: new connections see the new certificate and limit; a fault in the file changes nothing and is told."""
    await register(cluster.node(1).xmpp, "anna", PASSWORD)
    node = cluster.node(1)
    file = settings_file(cluster.data, 1)
    before = await certificate_of(node.xmpps)
    content = file.read_text(encoding="utf-8")
    certificates = cluster.data / "certificates"
    async with RawClient() as anna:
        await anna.log_in(node.xmpp, "anna", PASSWORD)
        # Any other pair that is there will do to be told apart.
        for suffix in ("pem", "key"):
            (certificates / f"server.{suffix}").write_bytes((certificates / f"node2.{suffix}").read_bytes())
        assert "stanza_bytes_max = 262144" in content
        file.write_text(content.replace("stanza_bytes_max = 262144", "stanza_bytes_max = 20000"), encoding="utf-8")
        os.kill(node.pid, signal.SIGHUP)

        async def has_changed() -> bool:
            return await certificate_of(node.xmpps) != before

        await wait_until("the new certificate", has_changed, 10)
        after = await certificate_of(node.xmpps)
        await anna.wait_acked(anna.send_chat("anna@localhost", "x" * 30_000, "before the limit"))
    async with RawClient() as anna:
        await anna.log_in(node.xmpp, "anna", PASSWORD)
        anna.send_chat("anna@localhost", "x" * 30_000, "over the limit")
        assert await anna.wait_end(10) == "policy-violation"

    file.write_text(content.replace("heartbeat_ms = 40", "heartbeat_ms = 41"), encoding="utf-8")
    os.kill(node.pid, signal.SIGHUP)

    async def is_refused() -> bool:
        return "timing.heartbeat_ms: cannot change while the node runs" in cluster.log_tail(200)

    await wait_until("the refusal in the log", is_refused, 10)
    assert await certificate_of(node.xmpps) == after
    assert await cluster.is_ready(1)


async def test_a_client_that_changes_its_address_mid_send_loses_nothing(cluster: Cluster) -> None:
    """Another network: the old connection falls silent without an end, the session goes on from another address."""
    await register(cluster.node(1).xmpp, "anna", PASSWORD)
    anna = Resumer("anna", PASSWORD)
    sent: list[str] = []

    def lost(_text: str) -> None:
        """Send into a network that is gone."""

    try:
        await anna.log_in(cluster.node(1).xmpp)
        for move in range(4):
            for number in range(100):
                if number == 50:
                    anna.stream.write = lost  # type: ignore[method-assign]  # the old network takes no more
                origin_id = f"move-{move}-{number}"
                anna.send(
                    f"<message to='anna@localhost' type='chat' id='{origin_id}'><body>{origin_id}</body>"
                    f"<origin-id xmlns='{NS_SID}' id='{origin_id}'/></message>"
                )
                sent.append(origin_id)
            # The old socket stays open, without an end, and is read no more.
            anna.own_address = f"127.0.0.{2 + move}"
            await anna.resume([cluster.node(1 + move % 2).xmpp])
        await wait_until("everything acknowledged", anna.is_acknowledged, 20)
        print(f"\n{len(sent)} messages over 4 changes of address, {anna.resend_count} of them sent again")
        assert anna.resend_count >= 200
        check_exactly_once(rows := await read_archive(anna.stream), sent, "anna")
        assert [row.origin_id for row in rows] == sent, "order"
    finally:
        await anna.close()
