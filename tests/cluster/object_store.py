"""An S3-compatible store as a process of its own, by moto, which others wrote."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from cluster.clusters import free_ports
from raftline.cluster.media.objects.bucket import Bucket, BucketSettings

BUCKET = "files"
_AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=key/20240101/us-east-1/s3/aws4_request"
START_SECONDS = 30.0


class ObjectStore:
    """The process; it forgets everything when it ends."""

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def settings(self, prefix: str = "") -> BucketSettings:
        return BucketSettings(self.url, BUCKET, "us-east-1", prefix, "key", "secret")

    def bucket(self, prefix: str = "") -> Bucket:
        return Bucket(self.settings(prefix))

    def start(self) -> None:
        """Start it, with an empty bucket."""
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                reply = httpx2.put(f"{self.url}/{BUCKET}", headers={"Authorization": _AUTHORIZATION})
            except httpx2.TransportError:
                assert time.monotonic() < deadline, "the object store does not start"
                time.sleep(0.05)
            else:
                assert reply.status_code == 200, reply.text
                return

    def stop(self) -> None:
        """Let nobody answer any more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """Have one for a while."""
    store = ObjectStore()
    store.start()
    try:
        yield store
    finally:
        store.stop()
