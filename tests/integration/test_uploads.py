"""Files of a library's users on a cluster of real processes, while nodes are killed (XEP-0363)."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import random
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from integration.cluster_process import Cluster, wait_until
from integration.xmpp_client import Client

UPLOAD = "urn:xmpp:http:upload:0"
SERVICE = "upload.localhost"
MEBIBYTE = 1 << 20
SIZES = (1, 1_000, 65_536, 262_144, 262_145, MEBIBYTE, 3 * MEBIBYTE + 7)
PATIENCE_S = 40.0
CONNECTION_ERRORS = (OSError, http.client.HTTPException)


@dataclass(frozen=True)
class Link:
    """A link that was given out: path, and the hash of what was put there."""

    path: str
    digest: str


def content_of(number: int, size: int) -> bytes:
    return random.Random(number).randbytes(size)


def put(port: int, path: str, content: bytes, content_type: str = "image/png") -> int:
    """Put a file; returns the status, 0 if nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("PUT", path, content, {"Content-Type": content_type})
        reply = connection.getresponse()
        reply.read()
    except CONNECTION_ERRORS:
        return 0
    else:
        return reply.status
    finally:
        connection.close()


def digest_at(port: int, path: str) -> str:
    """Read a file and return its hash; the status instead if it is not there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        content = reply.read()
    except CONNECTION_ERRORS as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    return hashlib.sha256(content).hexdigest() if reply.status == 200 else str(reply.status)


class Uploader:
    """A person with a client on each node, of which some may be down."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name
        self.links: list[Link] = []
        self.is_registered = False
        self._clients: dict[int, Client] = {}

    async def path(self, node_id: int, number: int, size: int) -> str:
        """Ask for a slot over a node, and return its path."""
        client = self._clients.get(node_id)
        if client is None or client.ended.is_set():
            client = self._clients[node_id] = Client(self.name, "secret")
            port = self.cluster.node(node_id).xmpp
            await (client.log_in(port) if self.is_registered else client.register_account(port))
            self.is_registered = True
        # The library's own plugin for this wants an HTTP client that the project does not have.
        request = client.make_iq_get(ito=SERVICE)
        attributes = {"filename": f"file {number}.png", "size": str(size), "content-type": "image/png"}
        request.append(ET.Element(f"{{{UPLOAD}}}request", attributes))
        answer = await request.send(timeout=PATIENCE_S)
        url = answer.xml.find(f"{{{UPLOAD}}}slot/{{{UPLOAD}}}put").get("url")
        return urlsplit(url).path

    async def upload(self, node_ids: list[int], number: int, size: int) -> None:
        """
        Upload until a node answers 201, as a client with patience does.

        Args:
            node_ids: Whom to ask for slots, in turn; files are put into all nodes in turn.
        """
        content = content_of(number, size)
        all_ids = self.cluster.node_ids
        turn = number
        path = ""

        async def attempt() -> str | None:
            nonlocal turn, path
            turn += 1
            slot_node, put_node = node_ids[turn % len(node_ids)], all_ids[(turn + 1) % len(all_ids)]
            try:
                # Without an answer the file may have been kept or not: the same again, into the same slot.
                path = path or await self.path(slot_node, number, size)
            except Exception as error:  # noqa: BLE001 - whatever a library raises when its node is dying
                print(f"no slot at node {slot_node}: {error!r}")
                return None
            status = await asyncio.to_thread(put, self.cluster.node(put_node).http, path, content)
            assert status in {0, 201, 503}, status
            return path if status == 201 else None

        path = await wait_until(f"file {number} is uploaded", attempt, PATIENCE_S)
        self.links.append(Link(path, hashlib.sha256(content).hexdigest()))

    async def require_everywhere(self, node_ids: list[int]) -> None:
        """Read each link at each node; its bytes must be those that were put."""
        for link in self.links:
            for node_id in node_ids:
                port = self.cluster.node(node_id).http
                found = await asyncio.to_thread(digest_at, port, link.path)
                assert found == link.digest, f"node {node_id}: {link.path}: {found}"

    async def close(self) -> None:
        for client in self._clients.values():
            await client.log_out()


def files_on_disk(cluster: Cluster, node_id: int) -> set[str]:
    folder = Path(cluster.node(node_id).data) / "media"
    return {path.name for path in folder.glob("??/*")}


@pytest.mark.parametrize(
    ("count", "large_sizes"),
    [
        pytest.param(60, [30 * MEBIBYTE], marks=[pytest.mark.timeout(180)], id="60"),
        pytest.param(200, [100 * MEBIBYTE] * 3, marks=[pytest.mark.timeout(900), pytest.mark.long], id="200"),
    ],
)
async def test_files_through_every_node_while_nodes_die(tmp_path: Path, count: int, large_sizes: list[int]) -> None:
    """
    Many files while each node is killed and comes back, large ones while the leader dies: every link that was given out
    serves the same bytes from every node, and every disk has all of them in the end.
    """
    async with Cluster(tmp_path) as cluster:
        anna = Uploader(cluster, "anna")
        number = 0
        for victim in (1, 2, 3):
            others = [node_id for node_id in cluster.node_ids if node_id != victim]
            kill = asyncio.create_task(kill_soon(cluster, victim))
            for _ in range(count // 3):
                await anna.upload(others, number, SIZES[number % len(SIZES)])
                number += 1
            await kill
            await cluster.start_node(victim)
        for size in large_sizes:
            leader = await cluster.leader()
            others = [node_id for node_id in cluster.node_ids if node_id != leader]
            kill = asyncio.create_task(kill_soon(cluster, leader))
            await anna.upload(others, number, size)
            number += 1
            await kill
            await anna.require_everywhere(others)
            await cluster.start_node(leader)
        await anna.require_everywhere(cluster.node_ids)
        await cluster.wait_healthy()
        wanted = {link.digest for link in anna.links}

        async def all_have_all() -> bool:
            return all(wanted <= files_on_disk(cluster, node_id) for node_id in cluster.node_ids)

        await wait_until("each disk to have every file", all_have_all, PATIENCE_S)
        await cluster.wait_equal_hashes()
        await anna.close()


async def kill_soon(cluster: Cluster, node_id: int) -> None:
    await asyncio.sleep(0.15)  # not a wait for anything: the fault is to come in the midst of an upload
    await cluster.kill(node_id)
