"""
A cluster that an earlier release wrote is started with this one, and with it every format that was ever released.

The clusters lie in `tests/fixtures`. What users had is there, on every node; the cluster works, takes on what this
release can do beyond the old one, and comes back once more in the new formats.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from cluster.later_formats import LATER, REFUSAL, contents, later_identity
from fixtures.released import NODE_IDS, RECIPIENT, RELEASES, SENDER, Release, data_directory, move
from integration.archive import ArchiveRow, read_archive
from integration.cluster_process import Cluster, http_get, wait_until
from integration.xmpp_raw import NS_CLIENT, RawClient, register
from raftline.cluster.identity import read_identity
from raftline.machine.versions import VERSION_MAX

pytestmark = pytest.mark.timeout(240)

UPGRADE_TIMEOUT_S = 20.0
RESERVED_AT = 20  # where a database says how many bytes of each page are kept for a checksum
CHECKSUM_BYTES = 8


def moved_cluster(release: Release, folder: Path) -> Cluster:
    """The cluster of a fixture, at ports that are free; nothing of it runs."""
    cluster = Cluster(folder, data=release.unpack(folder))
    move(cluster.data, cluster.base_port)
    return cluster


async def machine_version(cluster: Cluster, node_id: int) -> int:
    """The version of the state machine that counts on a node; 0 while the node does not answer."""
    _, body = await http_get(cluster.node(node_id).http, "/metrics")
    found = re.search(r"^raftline_cluster_machine_version (\S+)$", body.decode(), re.MULTILINE)
    return int(float(found[1])) if found else 0


async def wait_upgraded(cluster: Cluster) -> None:
    """Wait until all that this release can do counts on every node."""

    async def is_upgraded() -> bool:
        return {await machine_version(cluster, node_id) for node_id in cluster.node_ids} == {VERSION_MAX}

    await wait_until("the version of the state machine to be raised", is_upgraded, UPGRADE_TIMEOUT_S)


async def read_everywhere(cluster: Cluster, release: Release, username: str) -> list[ArchiveRow]:
    """Log in through every node and read the archive there; all of them must tell the same."""
    tellings = []
    for node_id in cluster.node_ids:
        async with RawClient() as reader:
            await reader.log_in(cluster.node(node_id).xmpp, username, release.password)
            tellings.append(await read_archive(reader))
    assert all(rows == tellings[0] for rows in tellings), f"{username}: nodes tell different archives"
    return tellings[0]


async def check_archives(cluster: Cluster, release: Release, later: list[str]) -> None:
    """Both users have the messages of then, in their order, and after them those that were sent since."""
    for username in (SENDER, RECIPIENT):
        rows = await read_everywhere(cluster, release, username)
        assert [row.origin_id for row in rows] == release.origin_ids + later, username
        old = rows[: len(release.origin_ids)]
        assert [row.body for row in old] == [f"m{place}" for place in range(len(old))]
        assert {(row.sender, row.recipient) for row in old} == {(f"{SENDER}@localhost", f"{RECIPIENT}@localhost")}


async def write_to_each_other(cluster: Cluster, release: Release, sent: list[str]) -> list[str]:
    """Each user writes one message through each node, which the other one is shown; returns all that was sent so."""
    sent = [*sent]
    for node_id in cluster.node_ids:
        other = cluster.node_ids[node_id % len(cluster.node_ids)]
        async with RawClient() as anna, RawClient() as bert:
            for client, username, place in ((anna, SENDER, node_id), (bert, RECIPIENT, other)):
                await client.log_in(cluster.node(place).xmpp, username, release.password)
                client.send("<presence/>")
                await client.wait_stanza(lambda stanza: stanza.tag == f"{{{NS_CLIENT}}}presence")
            for writer, reader in ((anna, bert), (bert, anna)):
                body = f"new {len(sent)}"
                await writer.wait_acked(writer.send_chat(reader.jid, body, body))
                await reader.wait_stanza(lambda stanza, body=body: stanza.findtext(f"{{{NS_CLIENT}}}body") == body)
                sent.append(body)
    return sent


def check_disks(cluster: Cluster) -> None:
    """Each directory says whose it is, and every page of each database has a checksum; no node runs."""
    for node_id in NODE_IDS:
        data_dir = data_directory(cluster.data, node_id)
        identity = read_identity(data_dir)
        assert identity is not None
        assert (identity.node_id, identity.is_founder, identity.has_begun) == (node_id, True, True)
        with (data_dir / "state.db").open("rb") as database:
            database.seek(RESERVED_AT)
            assert database.read(1)[0] == CHECKSUM_BYTES
        assert not (data_dir / "damaged").exists()


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name)
async def test_a_cluster_of_an_earlier_release_goes_on(release: Release, cluster_folder: Path) -> None:
    """P1, P2, P5: accounts and messages are there on every node, before and after a restart; nobody needs a repair."""
    cluster = moved_cluster(release, cluster_folder)
    async with cluster:
        await cluster.wait_healthy()
        await check_archives(cluster, release, [])
        await wait_upgraded(cluster)
        later = await write_to_each_other(cluster, release, [])
        await register(cluster.node(2).xmpp, "carla", release.password)
        await check_archives(cluster, release, later)
        await cluster.wait_equal_hashes()
        await cluster.stop()
        check_disks(cluster)
        await cluster.start()
        await cluster.wait_healthy()
        await check_archives(cluster, release, later)
        later = await write_to_each_other(cluster, release, later)
        await check_archives(cluster, release, later)
        assert await machine_version(cluster, 1) == VERSION_MAX
        await cluster.wait_equal_hashes()
        assert "repaired from the peers" not in cluster.log_tail(1000)


async def test_what_a_later_release_wrote_is_left_alone(cluster: Cluster, tmp_path: Path) -> None:
    """Whichever file it is: the node ends with exit code 3 and a sentence, and its peers repair nothing."""
    await cluster.wait_healthy()
    await cluster.stop()
    data_dir = data_directory(cluster.data, 2)
    kept = data_dir.rename(tmp_path / "kept")
    for make_later in (*LATER, later_identity):
        shutil.copytree(kept, data_dir)
        make_later(data_dir)
        before = contents(data_dir)
        done = await cluster.command("node", "start", "2", "--data", str(cluster.data))
        said = done.stdout + done.stderr
        assert done.returncode == 3, said
        assert re.search(REFUSAL, done.stderr), said
        assert "Traceback" not in said
        after = contents(data_dir)
        del before["lock"], after["lock"]  # names the process
        assert after == before, make_later
        shutil.rmtree(data_dir)
    kept.rename(data_dir)
    await cluster.start()
    await cluster.wait_healthy()
