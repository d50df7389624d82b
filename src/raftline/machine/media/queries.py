"""Questions about uploads; see machine/queries.py."""

from __future__ import annotations

from raftline.machine.queries import Query


class UploadOf(Query, frozen=True, array_like=True, tag=116):
    """Answer: `UploadView | None`, what is known under a token."""

    token: bytes


class StoredFiles(Query, frozen=True, array_like=True, tag=117):
    """Answer: `list[StoredFile]`, what the cluster keeps, by digest, after `after`, at most `limit`."""

    after: bytes = b""
    limit: int = 100


class StoredAmong(Query, frozen=True, array_like=True, tag=118):
    """Answer: `list[StoredFile]`, those of these digests that the cluster keeps."""

    digests: tuple[bytes, ...]


class UploadUseOf(Query, frozen=True, array_like=True, tag=119):
    """Answer: `UploadUse | None`, what an account has of its quotas; None for nothing."""

    localpart: str


class DescriptionOf(Query, frozen=True, array_like=True, tag=170):
    """Answer: `FileDescription | None`, what is known of the content of a stored file; None for not yet."""

    digest: bytes


class UndescribedFiles(Query, frozen=True, array_like=True, tag=171):
    """Answer: `list[UndescribedFile]`, files that wait for their description, by digest, after `after`."""

    after: bytes = b""
    limit: int = 100
