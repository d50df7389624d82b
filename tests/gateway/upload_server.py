"""A real HTTP server for uploads in front of a cluster of one node."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn

from cluster.clusters import Cluster, until
from cluster.people import Person
from raftline.base.limits import UPLOAD_TOKEN_SIZE
from raftline.cluster.media.objects.bucket import BucketSettings
from raftline.gateway.uploads.endpoint import UploadEndpoint
from raftline.machine.media.commands import RequestUploadSlot
from raftline.machine.outcomes import Done
from raftline.machine.versions import FEATURES_SINCE
from raftline.node.intake import CHUNK_BYTES
from raftline.xmpp.upload_addresses import upload_path

CONTENT = os.urandom(2 * CHUNK_BYTES + 17)


class Server:
    """A node, an account with slots, and HTTP."""

    def __init__(self, cluster: Cluster, client: httpx2.AsyncClient, person: Person, port: int) -> None:
        self.cluster = cluster
        self.node = cluster[1].node
        self.client = client
        self.person = person
        self.port = port
        self.now_ms = time.time_ns() // 1_000_000

    async def slot(
        self, content: bytes = CONTENT, name: str = "cat.jpg", content_type: str = "image/jpeg", **changes: Any
    ) -> str:
        """Open a slot and return its path."""
        token = os.urandom(UPLOAD_TOKEN_SIZE)
        fields = {"expire_before_ms": 0, "keep_ms": 0, "bytes_max": 1 << 40, "file_count_max": 1000, **changes}
        action = RequestUploadSlot(token, name, len(content), content_type, **fields)
        number = self.person.submit(action)
        await until(lambda: self.person.outcomes and self.person.outcomes[-1][0] == number)
        assert self.person.outcomes[-1][1] == Done()
        return upload_path(token, name)

    async def put(self, path: str, content: bytes = CONTENT, **headers: str) -> httpx2.Response:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.put(path, content=content, headers=headers)

    async def uploaded(self, content: bytes = CONTENT, **slot: Any) -> str:
        """Put a file and return its path."""
        path = await self.slot(content, **slot)
        assert (await self.put(path, content)).status_code == 201
        return path

    def media_folder(self) -> Path:
        return self.cluster[1].directory / "media"

    def files(self) -> list[str]:
        """Names of all files on the disk, drafts included."""
        return sorted(path.name for path in self.media_folder().rglob("*") if path.is_file())


@asynccontextmanager
async def serve(directory: Path, bucket: BucketSettings | None = None) -> AsyncIterator[Server]:
    """A node with one account, and its endpoint on a port."""
    cluster = Cluster(directory, 1)
    cluster[1].bucket = bucket
    await cluster.start()
    await until(lambda: cluster[1].machine.machine_version >= FEATURES_SINCE)
    person = Person("anna")
    await person.appear(cluster[1].node)
    held: list[Server] = []
    endpoint = UploadEndpoint(
        cluster[1].node,
        wall_ms=lambda: held[0].now_ms,
        base_url=lambda: "https://files.test",
        refused_types=("text/css",),
        idle_seconds=0.5,
    )
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        endpoint, http="h11", lifespan="off", log_config=None, interface="asgi3", timeout_graceful_shutdown=1
    )
    http = uvicorn.Server(config)
    task = asyncio.ensure_future(http.serve([listener]))
    await until(lambda: http.started)
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        held.append(Server(cluster, client, person, port))
        try:
            yield held[0]
        finally:
            http.should_exit = True
            await task
            await cluster.stop()


def reason(reply: httpx2.Response) -> tuple[int, str]:
    """Return status and condition of a refusal, which is JSON for machines and not for browsers to run."""
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    content = json.loads(reply.content)["error"]
    assert content["text"]
    return reply.status_code, content["condition"]
