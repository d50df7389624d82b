"""The tables of uploads and their rows."""

from __future__ import annotations

from typing import Final, NamedTuple

from raftline.base.ids import AccountId
from raftline.machine.tables import TableDefinition

UPLOAD: Final = TableDefinition(
    93, "upload", ("token", "account_id", "name", "size", "content_type", "due_ms", "until_ms", "digest", "stored_ms")
)
UPLOAD_USE: Final = TableDefinition(94, "upload_use", ("account_id", "open_count", "file_count", "size"))
STORED_FILE: Final = TableDefinition(95, "stored_file", ("digest", "size", "holders"))
FILE_DESCRIPTION: Final = TableDefinition(
    130,
    "file_description",
    (
        "digest",
        "width",
        "height",
        "duration_ms",
        "waveform",
        "thumbnail",
        "thumbnail_size",
        "thumbnail_type",
        "thumbnail_width",
        "thumbnail_height",
        "lack",
    ),
)
UNDESCRIBED_FILE: Final = TableDefinition(131, "undescribed_file", ("digest", "size"))

TABLES: Final = (UPLOAD, UPLOAD_USE, STORED_FILE, FILE_DESCRIPTION, UNDESCRIBED_FILE)

SQL: Final = """
CREATE TABLE upload (
    token BLOB PRIMARY KEY,
    account_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    due_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    digest BLOB NOT NULL,
    stored_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_by_stored ON upload (stored_ms) WHERE stored_ms > 0;
CREATE INDEX upload_by_account ON upload (account_id, due_ms);
CREATE INDEX upload_by_due ON upload (due_ms) WHERE due_ms > 0;

CREATE TABLE upload_use (
    account_id INTEGER PRIMARY KEY,
    open_count INTEGER NOT NULL,
    file_count INTEGER NOT NULL,
    size INTEGER NOT NULL
) STRICT;

CREATE TABLE stored_file (
    digest BLOB PRIMARY KEY, size INTEGER NOT NULL, holders INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE file_description (
    digest BLOB PRIMARY KEY,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    waveform BLOB NOT NULL,
    thumbnail BLOB NOT NULL,
    thumbnail_size INTEGER NOT NULL,
    thumbnail_type TEXT NOT NULL,
    thumbnail_width INTEGER NOT NULL,
    thumbnail_height INTEGER NOT NULL,
    lack TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE undescribed_file (digest BLOB PRIMARY KEY, size INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""


class Upload(NamedTuple):
    """
    A slot, and the file that was put into it.

    Attributes:
        token: Chance that names it; whoever knows it may read the file.
        content_type: As it was asked for; empty while nobody said.
        due_ms: Cluster time at which the row goes: an open slot's end, or a file's; 0 for never.
        until_ms: Cluster time at which the file goes, once there is one; 0 for never.
        digest: SHA-256 of the bytes; empty while the slot is open.
        stored_ms: Cluster time at which the file was put; 0 while the slot is open.
    """

    token: bytes
    account_id: AccountId
    name: str
    size: int
    content_type: str
    due_ms: int
    until_ms: int
    digest: bytes
    stored_ms: int


class UploadUse(NamedTuple):
    """
    What an account has of its quotas; no row for nothing.

    Attributes:
        open_count, file_count: Slots that wait for a file, and those that have one.
        size: Bytes of both.
    """

    account_id: AccountId
    open_count: int
    file_count: int
    size: int


class StoredFile(NamedTuple):
    """Bytes that the cluster keeps, once, by their SHA-256; `holders` uploads and descriptions refer to them."""

    digest: bytes
    size: int
    holders: int


class FileDescription(NamedTuple):
    """
    What is known of the content of a stored file; zero and empty is what it does not have, or nobody found out.

    Attributes:
        width, height: Pixels, as it is to be shown.
        waveform: Of a sound: how loud it is, from 0 to 100, in WAVEFORM_SIZE parts of equal length.
        thumbnail: SHA-256 of a small picture, a stored file as well; `thumbnail_…` is what it is like.
        lack: Why nothing is known: one of `media.descriptions.LACKS`; empty where something is.
    """

    digest: bytes
    width: int = 0
    height: int = 0
    duration_ms: int = 0
    waveform: bytes = b""
    thumbnail: bytes = b""
    thumbnail_size: int = 0
    thumbnail_type: str = ""
    thumbnail_width: int = 0
    thumbnail_height: int = 0
    lack: str = ""


class UndescribedFile(NamedTuple):
    """A stored file whose description is being made, or waits for a node that makes it."""

    digest: bytes
    size: int
