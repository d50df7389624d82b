"""
A bucket of an S3-compatible store, by the library obstore (the extra `s3`).

Every call has a bound of time; what fails for whatever reason but that there is no such object is `Unavailable`, since
the next try may well succeed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from raftline.base.errors import StorageError, Unavailable

if TYPE_CHECKING:
    from obstore.store import S3Store

PART_BYTES: Final = 8 << 20
"""Of a large file that is put; so many bytes, times PART_COUNT, are in memory."""

PART_COUNT: Final = 2
CONNECT_SECONDS: Final = 3
REQUEST_SECONDS: Final = 60
"""For one request with a part of a file."""

RETRY_COUNT: Final = 2
RETRY_SECONDS: Final = 10
_DIGEST_DIGITS: Final = 64


class BucketSettings(NamedTuple):
    """
    Where the bucket is.

    Attributes:
        endpoint: As `https://s3.example.org`; with http the secret key is still not sent, but files are.
        prefix: Names of all objects begin with it and a slash; empty for the whole bucket.
        secret_key: Of `access_key_id`.
    """

    endpoint: str
    bucket: str
    region: str
    prefix: str
    access_key_id: str
    secret_key: str


class Stored(NamedTuple):
    """An object: its whole name, the SHA-256 that the name tells, bytes, and when it was put by the store's clock."""

    name: str
    digest: bytes
    size: int
    put_ms: int


class Bucket:
    """
    Objects by the digest of their content.

    Raises:
        StorageError: The library is not installed.
    """

    def __init__(self, settings: BucketSettings) -> None:
        try:
            import obstore  # noqa: PLC0415 - an extra that most installations have no use for
            from obstore.store import S3Store  # noqa: PLC0415 - the same
        except ImportError as error:
            raise StorageError("media.storage is s3, which needs an extra: pip install 'raftline[s3]'") from error
        self._library: Final = obstore
        self._prefix: Final = f"{settings.prefix}/" if settings.prefix else ""
        self._store: Final[S3Store] = S3Store(
            settings.bucket,
            endpoint=settings.endpoint,
            region=settings.region,
            access_key_id=settings.access_key_id,
            secret_access_key=settings.secret_key,
            checksum_algorithm="SHA256",  # so that the store refuses what was altered on its way
            client_options={
                "allow_http": settings.endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                "timeout": timedelta(seconds=REQUEST_SECONDS),
            },
            retry_config={"max_retries": RETRY_COUNT, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
        )

    async def put(self, digest: bytes, chance: str, path: Path) -> str:
        """
        Put a file and return the name of its object, which is there as a whole or not at all.

        Raises:
            Unavailable: It was not acknowledged.
        """
        name = f"{self._prefix}{digest.hex()}/{chance}"
        try:
            with _failures("put"):
                await self._library.put_async(
                    self._store, name, path, chunk_size=PART_BYTES, max_concurrency=PART_COUNT
                )
        except FileNotFoundError as error:
            raise Unavailable("the object store has no such bucket") from error
        return name

    async def find(self, digest: bytes) -> list[Stored]:
        """
        Return the objects of a file, by name.

        Raises:
            Unavailable: The store does not tell.
        """
        return [stored async for page in self._list(digest.hex()) for stored in page]

    def pages(self) -> AsyncIterator[list[Stored]]:
        """
        Yield all objects, by name, some hundreds at a time; what has another kind of name is not ours.

        Raises:
            Unavailable: The store does not tell.
        """
        return self._list("")

    async def _list(self, folder: str) -> AsyncIterator[list[Stored]]:
        with _failures("list"):
            async for page in self._library.list(self._store, prefix=f"{self._prefix}{folder}".rstrip("/") or None):
                found = (self._stored(meta["path"], meta["size"], meta["last_modified"]) for meta in page)
                yield [stored for stored in found if stored is not None]

    def _stored(self, name: str, size: int, put_at: datetime) -> Stored | None:
        digits, _, chance = name.removeprefix(self._prefix).partition("/")
        try:
            digest = bytes.fromhex(digits)
        except ValueError:
            return None
        if len(digits) != _DIGEST_DIGITS or not chance or "/" in chance:
            return None
        return Stored(name, digest, size, int(put_at.timestamp() * 1000))

    async def read(self, name: str, offset: int, size: int) -> bytes:
        """
        Return a part of an object, which must not be longer than the object.

        Raises:
            FileNotFoundError: It is gone.
            Unavailable: The store does not hand it out.
        """
        with _failures("read"):
            return (await self._library.get_range_async(self._store, name, start=offset, length=size)).to_bytes()

    async def delete(self, name: str) -> None:
        """
        Delete an object, if it is there.

        Raises:
            Unavailable: That may not have been done.
        """
        with _failures("delete"):
            await self._library.delete_async(self._store, name)


@contextmanager
def _failures(what: str) -> Iterator[None]:
    from obstore.exceptions import BaseError, NotFoundError  # noqa: PLC0415 - as above

    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise FileNotFoundError(str(error)) from error
    except (BaseError, OSError) as error:
        raise Unavailable(f"the object store does not {what}: {str(error)[:200]}") from error
