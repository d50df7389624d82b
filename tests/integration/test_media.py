"""Descriptions, an object store and retention on clusters of real processes, while the leader dies."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cluster.media_samples import film, picture
from cluster.object_store import BUCKET, object_store
from integration.cluster_process import RAFTLINE, Cluster, wait_until
from integration.test_uploads import PATIENCE_S, Uploader, digest_at, put

pytestmark = pytest.mark.timeout(120)


def get(port: int, path: str) -> tuple[int, bytes]:
    """Read an address; returns status and content, status 0 if nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


async def put_into(cluster: Cluster, person: Uploader, slot_node: int, put_node: int, content: bytes) -> str:
    """Put a file into one node, whose slot another one gave out; returns its path."""
    path = await person.path(slot_node, len(content), len(content))
    assert await asyncio.to_thread(put, cluster.node(put_node).http, path, content) == 201
    return path


async def described(cluster: Cluster, node_id: int, path: str) -> dict[str, Any]:
    """Wait until a node knows what a file is like."""

    async def ask() -> dict[str, Any] | None:
        status, content = await asyncio.to_thread(get, cluster.node(node_id).http, f"{path}?metadata=json")
        found = json.loads(content) if status == 200 else {"state": "pending"}
        return None if found["state"] == "pending" else found

    return await wait_until(f"node {node_id} to know what {path} is like", ask, PATIENCE_S)


async def retention(cluster: Cluster, *arguments: str) -> str:
    """Run `raftline retention`."""
    command = [RAFTLINE, "retention", *arguments, "--data", str(cluster.data)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_descriptions_and_retention_outlive_the_leader(tmp_path: Path) -> None:
    """
    A film is put into the leader, which is killed at once: another node looks into it. Every node tells the same and
    serves the thumbnail; a limit that was set before holds after the death.
    """
    clip = await asyncio.to_thread(film, tmp_path)
    async with Cluster(tmp_path) as cluster:
        anna = Uploader(cluster, "anna")
        leader = await cluster.leader()
        others = [node_id for node_id in cluster.node_ids if node_id != leader]
        await retention(cluster, "set", "--uploads", "90")
        photo = picture(640, 480)
        photo_path = await put_into(cluster, anna, others[0], others[1], photo)
        found = await described(cluster, others[0], photo_path)
        assert (found["width"], found["height"], found["sha256"]) == (640, 480, hashlib.sha256(photo).hexdigest())
        clip_path = await put_into(cluster, anna, others[0], leader, clip)
        await cluster.kill(leader)
        told = [await described(cluster, node_id, clip_path) for node_id in others]
        assert told[0]["width"] == 320
        assert [one["sha256"] for one in told] == [hashlib.sha256(clip).hexdigest()] * 2
        thumbnails = set()
        for node_id in others:
            status, content = await asyncio.to_thread(get, cluster.node(node_id).http, f"{clip_path}?thumbnail")
            assert status == 200
            thumbnails.add(content)
        (thumbnail,) = thumbnails
        assert Image.open(io.BytesIO(thumbnail)).size == (320, 180)
        assert "90 days" in await retention(cluster, "show")
        await cluster.start_node(leader)
        await cluster.wait_equal_hashes()
        await anna.close()


async def test_an_object_store_while_the_leader_dies(tmp_path: Path) -> None:
    """
    What is put into one node is read from every node; nothing is lost with the leader; without the store, and with it
    again, clients are told what they may rely on.
    """
    with object_store() as store:
        secret = tmp_path / "s3.secret"
        secret.write_text("secret\n")
        settings = {
            "RAFTLINE_MEDIA__STORAGE": "s3",
            "RAFTLINE_MEDIA__S3__ENDPOINT": store.url,
            "RAFTLINE_MEDIA__S3__BUCKET": BUCKET,
            "RAFTLINE_MEDIA__S3__PLAINTEXT": "true",
            "RAFTLINE_MEDIA__S3__ACCESS_KEY_ID": "key",
            "RAFTLINE_MEDIA__S3__SECRET_KEY_FILE": str(secret),
        }
        async with Cluster(tmp_path, settings=settings) as cluster:
            anna = Uploader(cluster, "anna")
            leader = await cluster.leader()
            others = [node_id for node_id in cluster.node_ids if node_id != leader]
            await anna.upload(others, 1, 3_000_000)
            await anna.require_everywhere(cluster.node_ids)
            kill = asyncio.create_task(cluster.kill(leader))
            await anna.upload(others, 2, 200_000)
            await kill
            await anna.require_everywhere(others)
            files = [path for path in cluster.data.rglob("media/??/*") if path.is_file()]
            assert files == []
            path = await anna.path(others[0], 3, 9)
            store.stop()
            assert await asyncio.to_thread(put, cluster.node(others[0]).http, path, b"some text") == 503
            store.start()
            assert await asyncio.to_thread(put, cluster.node(others[0]).http, path, b"some text") == 201
            digest = hashlib.sha256(b"some text").hexdigest()
            for node_id in others:
                assert await asyncio.to_thread(digest_at, cluster.node(node_id).http, path) == digest
            await anna.close()
