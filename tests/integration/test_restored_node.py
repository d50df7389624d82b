"""`raftline restore --config`: a node is founded with a backup's state, and grows to a cluster, as in production."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from integration.archive import read_archive
from integration.cluster_process import Cluster, http_get, wait_until
from integration.test_backup import PASSWORD, PATIENCE_S, back_up
from integration.test_uploads import Uploader, digest_at
from integration.xmpp_raw import RawClient, register
from raftline.base.ids import parse_stanza_id
from raftline.server.certificates import write_private
from raftline.server.config import NodeSettings
from raftline.server.development_layout import (
    TOKEN_FILE,
    Parameters,
    certify,
    node_settings,
    settings_file,
    token_file_of,
    write_layout,
    write_settings,
)
from raftline.server.failures import ExitCode
from server.node_commands import Commands, Running, commands, free_base_port

pytestmark = pytest.mark.timeout(180)

NODE_IDS = (1, 2, 3)


class Site:
    """Machines of an operator, one for each node, with settings and certificates of their own."""

    def __init__(self, folder: Path, started: Commands, epoch: int) -> None:
        self._folder = folder
        self._started = started
        self._parameters = Parameters("the new cluster", 1, free_base_port(len(NODE_IDS)), "localhost", epoch=epoch)
        layout = write_layout(folder, self._parameters, open_registration=False, allow_plaintext=True)
        self.settings: dict[int, NodeSettings] = {1: layout.settings[0]}
        self.running: dict[int, Running] = {}
        self.server = (
            "--server",
            f"http://127.0.0.1:{self.settings[1].http.port}",
            "--token-file",
            str(folder / TOKEN_FILE),
        )

    def file(self, node_id: int) -> Path:
        """The settings of a node."""
        return settings_file(self._folder, node_id)

    async def start(self, node_id: int) -> None:
        """Run a node, and wait until it serves."""
        self.running[node_id] = await self._started.start("node", "run", "--config", str(self.file(node_id)))
        await wait_until(f"node {node_id} serves", lambda: self._is_ready(node_id), PATIENCE_S)

    async def _is_ready(self, node_id: int) -> bool:
        running = self.running[node_id]
        assert running.process.returncode is None, running.said
        try:
            status, _ = await http_get(self.settings[node_id].http.port, "/readyz")
        except OSError:
            return False
        return status == 200

    async def invite(self) -> int:
        """Invite a node by the command, and prepare its machine with what that tells; returns its number."""
        code, said = await self._started.run("cluster", "add", "--json", *self.server)
        assert code == 0, said
        told = json.loads(said)
        node_id = int(told["node_id"])
        members = (*(node["node_id"] for node in told["members"]), node_id)
        parameters = msgspec.structs.replace(
            self._parameters, cluster_id=told["cluster_id"], epoch=told["epoch"], node_ids=members
        )
        settings = node_settings(
            self._folder,
            parameters,
            node_id,
            certify(self._folder, parameters),
            open_registration=False,
            allow_plaintext=True,
            component_secret_files={},
        )
        write_settings(self._folder, settings)
        write_private(token_file_of(self._folder, node_id), f"{told['token']}\n".encode())
        self.settings[node_id] = settings
        return node_id

    async def status(self, node_id: int) -> list[dict[str, Any]]:
        """What a node tells of all nodes; nothing while it does not answer."""
        token = (self._folder / TOKEN_FILE).read_text(encoding="utf-8").strip()
        port = self.settings[node_id].http.port
        status, body = await http_get(port, "/admin/v1/cluster", f"Authorization: Bearer {token}\r\n")
        nodes: list[dict[str, Any]] = json.loads(body)["nodes"] if status == 200 else []
        return nodes

    async def wait_voting(self, count: int) -> None:
        """Wait until so many nodes vote and agree on their state."""

        async def probe() -> bool:
            nodes = await self.status(count)
            hashes = {(node["state_hash_index"], node["state_hash"]) for node in nodes}
            roles = [node["role"] for node in nodes]
            return sorted(roles) == ["follower"] * (count - 1) + ["leader"] and len(hashes) == 1

        await wait_until(f"{count} nodes vote and agree", probe, PATIENCE_S)

    @asynccontextmanager
    async def client(self, name: str, node_id: int) -> AsyncIterator[RawClient]:
        """Somebody on a node."""
        async with RawClient() as client:
            await client.log_in(self.settings[node_id].xmpp.port, name, PASSWORD, resource=f"on-{node_id}")
            yield client

    async def texts(self, name: str, node_id: int) -> list[str]:
        """Texts of somebody's archive as one node has it."""
        async with self.client(name, node_id) as client:
            return [row.body for row in await read_archive(client)]


async def make_backup(folder: Path) -> tuple[Path, int, Uploader, set[str]]:
    """Back up a cluster with two people, some messages and a file; its epoch, and the ids that it gave out."""
    async with Cluster(folder, 1) as cluster:
        for name in ("anna", "bert"):
            await register(cluster.node(1).xmpp, name, PASSWORD)
        async with RawClient() as anna:
            await anna.log_in(cluster.node(1).xmpp, "anna", PASSWORD)
            for number in range(5):
                await anna.wait_acked(anna.send_chat("bert@localhost", f"before {number}", f"b-{number}"))
            ids = {row.stanza_id for row in await read_archive(anna)}
        carla = Uploader(cluster, "carla")
        await carla.upload([1], number=1, size=70_000)
        await carla.close()
        file, header = await back_up(cluster, folder, 1)
        await cluster.stop()
    return file, header.cluster_epoch, carla, ids


async def test_a_cluster_grows_from_a_restored_node(cluster_folder: Path) -> None:
    """
    One node has all that the backup has; two are invited, and have it as well; the first dies, and they go on.

    Passwords, archives with their ids, and files are as before; the data directory is not restored over.
    """
    file, epoch, carla, old_ids = await make_backup(cluster_folder)
    before = [f"before {number}" for number in range(5)]
    async with commands(cluster_folder) as started:
        site = Site(cluster_folder / "site", started, epoch + 1)
        restore = ("restore", "--input", str(file), "--config", str(site.file(1)))
        code, said = await started.run(*restore)
        assert code == 0, said
        assert f"cluster.epoch ({epoch + 1})" in said
        assert (await started.run(*restore))[0] == ExitCode.REFUSED
        code, said = await started.run("verify", "--data", str(site.settings[1].data_dir))
        assert code == 0, said

        await site.start(1)
        assert await site.texts("bert", 1) == before
        for count in (2, 3):
            await site.start(await site.invite())
            await site.wait_voting(count)
        assert tuple(sorted(site.settings)) == NODE_IDS
        for node_id, link in itertools.product(NODE_IDS, carla.links):
            assert await site.texts("bert", node_id) == before
            port = site.settings[node_id].http.port
            assert await asyncio.to_thread(digest_at, port, link.path) == link.digest

        await site.running[1].ends(signal.SIGKILL)
        async with site.client("anna", 2) as anna, site.client("bert", 3) as bert:
            bert.send("<presence/>")
            await anna.wait_acked(anna.send_chat("bert@localhost", "after", "a-1"))
            await bert.wait_stanza(lambda stanza: stanza.get("id") == "a-1")
            ids = {row.stanza_id for row in await read_archive(anna)}
            assert old_ids < ids
            assert [parsed[0] for name in ids - old_ids if (parsed := parse_stanza_id(name))] == [epoch + 1]
        await site.start(1)
        await site.wait_voting(3)
        assert await site.texts("bert", 1) == [*before, "after"]
        for node_id in NODE_IDS:
            assert await site.running[node_id].ends(signal.SIGTERM) == ExitCode.DONE
