"""A cluster under load is backed up, destroyed, and founded again: people find what they had, and nothing else."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import signal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from integration.archive import ArchiveRow, check_exactly_once, read_archive
from integration.cluster_process import Cluster, http_get, wait_until
from integration.resumer import Resumer, ResumptionFailedError
from integration.test_uploads import Uploader, digest_at
from integration.xmpp_client import Chatter, Client
from integration.xmpp_raw import NS_CLIENT, RawClient, register
from raftline.base.ids import parse_stanza_id
from raftline.cluster.backup_file import BackupHeader, read_header, read_part
from raftline.machine.database import open_database
from raftline.machine.machine import Machine
from raftline.server.failures import ExitCode

pytestmark = pytest.mark.timeout(200)

PASSWORD = "kept-in-a-safe"
ROOM = "archive@conference.localhost"
NS_MUC = "http://jabber.org/protocol/muc"
INTERVAL_S = 0.02
PATIENCE_S = 20.0
ENDED = {"session", "progress", "resumption", "presence", "inbox", "node", "node_profile", "invitation"}
"""Tables in which the founding of a cluster leaves nothing."""
TOLD = {"offline", "ended_session", "departure", "left_resource", "kept_request", "message", "node_interest"}
"""Tables in which the end of a session may be told: what it owed, when it went, how far it had come."""
SINCE = {"former_epoch"}
"""Tables that tell of the former cluster."""


async def write_until(stopped: asyncio.Event, *chatters: Chatter) -> None:
    """Let people write at a steady rate."""
    while not stopped.is_set():
        for chatter in chatters:
            chatter.write()
        await asyncio.sleep(INTERVAL_S)


async def enter(client: RawClient, nick: str) -> None:
    """Enter the room, and make it if it is not there."""
    client.send(f"<presence to='{ROOM}/{nick}'><x xmlns='{NS_MUC}'/></presence>")
    await client.wait_stanza(lambda stanza: stanza.get("from") == f"{ROOM}/{nick}")


async def say_in_room(client: RawClient, body: str) -> None:
    """Speak, and wait for the echo."""
    client.send(f"<message to='{ROOM}' type='groupchat'><body>{body}</body></message>")
    await client.wait_stanza(lambda stanza: stanza.findtext(f"{{{NS_CLIENT}}}body") == body)


def scrub(database: Path) -> tuple[dict[str, bytes], set[str]]:
    """Return digests of all tables of a database, and the names of those that are empty."""
    machine = Machine(open_database(database), domain="localhost")
    try:
        digests = {name: machine.scrub_digest(name) for name in machine.scrub_tables}
        empty = {
            name
            for name in machine.scrub_tables
            if not machine._database.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
        }
    finally:
        machine.close()
    return digests, empty


def check_tables(backup: Path, restored: Path, scratch: Path) -> None:
    """Whatever founding does not touch is, by digest of its rows, what the backup has."""
    before, after = scratch / "before.db", scratch / "after.db"
    before.write_bytes(b"".join(read_part(backup, "state")))
    shutil.copyfile(restored, after)
    (digests, _), (restored_digests, empty) = scrub(before), scrub(after)
    differing = {name for name in digests if digests[name] != restored_digests[name]}
    assert differing <= ENDED | TOLD | SINCE, differing
    assert differing >= SINCE
    assert empty >= ENDED
    for name in ("account", "credential", "roster", "archive", "room", "counter", "address"):
        assert name in digests
        assert name not in empty, name
        assert name not in differing, name


async def back_up(cluster: Cluster, folder: Path, node_id: int) -> tuple[Path, BackupHeader]:
    """Back up from one node while others write, with the commands of an operator."""
    file, token = folder / "cluster.backup", folder / "token"
    token.write_text(cluster.description()["admin_token"])
    server = ("--server", f"http://127.0.0.1:{cluster.node(node_id).http}", "--token-file", str(token))
    done = await cluster.command("backup", "--output", str(file), "--json", *server)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["is_current"] is True
    assert told["header"]["node_id"] == node_id
    verified = await cluster.command("verify", "--input", str(file))
    assert verified.returncode == 0, verified.stdout
    return file, read_header(file)


async def archive_of(cluster: Cluster, name: str, node_id: int = 1, room: str = "") -> list[ArchiveRow]:
    async with RawClient() as client:
        await client.log_in(cluster.node(node_id).xmpp, name, PASSWORD)
        return await read_archive(client, to=room)


async def session_counts(cluster: Cluster) -> dict[str, int]:
    headers = f"Authorization: Bearer {cluster.description()['admin_token']}\r\n"
    status, body = await http_get(cluster.node(1).http, "/admin/v1/users", headers)
    assert status == 200, body
    return {user["name"]: user["session_count"] for user in json.loads(body)["users"]}


def ids_of(rows: list[ArchiveRow]) -> set[str]:
    return {row.stanza_id for row in rows}


async def make_room(cluster: Cluster) -> None:
    """Let carla make a room that stays, speak in it, and add a contact."""
    async with RawClient() as carla:
        await carla.log_in(cluster.node(1).xmpp, "carla", PASSWORD)
        await enter(carla, "carla")
        config = f"<query xmlns='{NS_MUC}#owner'><x xmlns='jabber:x:data' type='submit'>"
        config += f"<field var='FORM_TYPE' type='hidden'><value>{NS_MUC}#roomconfig</value></field>"
        config += "<field var='muc#roomconfig_persistentroom'><value>1</value></field></x></query>"
        answer = await carla.ask("set", config, ROOM)
        assert answer.get("type") == "result", ET.tostring(answer)
        await say_in_room(carla, "before")
        await carla.ask("set", "<query xmlns='jabber:iq:roster'><item jid='anna@localhost' name='Anna'/></query>")


async def test_a_cluster_comes_back_from_its_backup(cluster_folder: Path) -> None:
    """
    Three nodes, people writing, the leader killed, a backup from a follower, everything destroyed, three new nodes.

    What was acknowledged before the backup is there once; tables are equal by digest; old sessions are over and told
    how far they had come; what was said keeps its ids, and those given out after the backup are not given out again.
    """
    async with Cluster(cluster_folder / "old") as cluster:
        for name in ("anna", "bert", "carla", "dora"):
            await register(cluster.node(1).xmpp, name, PASSWORD)
        await make_room(cluster)
        erik = Uploader(cluster, "erik")
        await erik.upload([1], number=1, size=70_000)
        await erik.close()
        dora = Resumer("dora", PASSWORD)
        await dora.log_in(cluster.node(2).xmpp)
        dora.send("<message to='dora@localhost' type='chat'><body>counted</body></message>")
        await wait_until("dora acknowledged", dora.is_acknowledged, PATIENCE_S)

        anna = Chatter(cluster, "anna", PASSWORD, "bert@localhost", 1)
        bert = Chatter(cluster, "bert", PASSWORD, "anna@localhost", 2)
        stopped = asyncio.Event()
        running = [asyncio.create_task(chatter.run()) for chatter in (anna, bert)]
        writing = asyncio.create_task(write_until(stopped, anna, bert))

        async def have_written() -> bool:
            return min(len(anna.acknowledged), len(bert.acknowledged)) >= 30

        await wait_until("messages acknowledged", have_written, PATIENCE_S)
        leader = await cluster.leader()
        await cluster.kill(leader, signal.SIGKILL)
        leader = await cluster.leader()
        follower = next(
            node["id"] for node in (await cluster.status())["nodes"] if node["reachable"] and node["id"] != leader
        )
        acknowledged = anna.acknowledged | bert.acknowledged
        file, header = await back_up(cluster, cluster_folder, follower)
        count = len(anna.acknowledged)

        async def have_gone_on() -> bool:
            return len(anna.acknowledged) >= count + 20

        await wait_until("messages after the backup", have_gone_on, PATIENCE_S)
        stopped.set()
        await writing
        for chatter in (anna, bert):
            await chatter.close()
        await asyncio.gather(*running)
        late_ids = ids_of(await archive_of(cluster, "anna", follower))
        cluster.close()
    shutil.rmtree(cluster.data)

    new = Cluster(cluster_folder / "new")
    ports = ("--nodes", "3", "--base-port", str(new.base_port))
    done = await new.command("restore", "--input", str(file), "--data", str(new.data), *ports)
    assert done.returncode == 0, done.stderr
    verified = await new.command("verify", "--data", str(new.data))
    assert verified.returncode == 0, verified.stdout
    check_tables(file, new.data / "node1" / "data" / "state.db", cluster_folder)
    refused = await new.command("restore", "--input", str(file), "--data", str(new.data), *ports)
    assert refused.returncode == ExitCode.REFUSED
    async with new:
        await new.wait_equal_hashes()
        assert (await new.status())["commit_index"] > header.applied_index
        assert set((await session_counts(new)).values()) == {0}
        await check_people(new, acknowledged, late_ids)
        for link, node_id in itertools.product(erik.links, new.node_ids):
            assert await asyncio.to_thread(digest_at, new.node(node_id).http, link.path) == link.digest
        with pytest.raises(ResumptionFailedError, match="item-not-found"):
            await dora.resume([new.node(node_id).xmpp for node_id in new.node_ids])
        await dora.close()


async def check_people(new: Cluster, acknowledged: set[str], late_ids: set[str]) -> None:
    """Log in with the old passwords on different nodes, look at what is there, and go on writing."""
    rows = await archive_of(new, "anna", 1)
    assert ids_of(rows) == ids_of(await archive_of(new, "anna", 3))
    assert ids_of(rows) <= late_ids, "what was said keeps its ids"
    check_exactly_once(rows, acknowledged, "anna's archive")
    assert [row.body for row in await archive_of(new, "carla", 2, ROOM)] == ["before"]
    async with RawClient() as carla:
        await carla.log_in(new.node(2).xmpp, "carla", PASSWORD)
        roster = await carla.ask("get", "<query xmlns='jabber:iq:roster'/>")
        assert [(item.get("jid"), item.get("name")) for item in roster.iter("{jabber:iq:roster}item")] == [
            ("anna@localhost", "Anna")
        ]
        await enter(carla, "carla")
        await say_in_room(carla, "after")
    anna, bert = Client("anna", PASSWORD), Client("bert", PASSWORD)
    await anna.log_in(new.node(1).xmpp)
    await bert.log_in(new.node(3).xmpp)
    for number in range(30):
        anna.say("bert@localhost", f"again {number}", f"again-{number}")
    received = [await bert.wait_received(f"again {number}") for number in range(30)]
    for client in (anna, bert):
        await client.log_out()
    new_ids = {message.stanza_id for message in received}
    assert len(new_ids) == 30
    assert not new_ids & late_ids
    assert {parsed[0] for stanza_id in new_ids if (parsed := parse_stanza_id(stanza_id))} == {2}
