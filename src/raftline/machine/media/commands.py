"""Commands of uploads; see machine/commands.py."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from raftline.machine.tables import NATURAL


class RequestUploadSlot(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=123):
    """
    Open a slot for one file of the session's account (XEP-0363 section 4). Machine version 3.

    Refused with `resource-constraint` over a quota, which tells when to try again if anything ends by itself, and with
    `not-acceptable` for a file that would be gone already.

    Attributes:
        token: Chance that names the slot, of UPLOAD_TOKEN_SIZE bytes.
        content_type: Empty when the client does not say.
        expire_before_ms: The file must be gone by then, in cluster time; 0 for no such wish.
        keep_ms: For so long this installation keeps files; 0 for ever.
        bytes_max, file_count_max: Quotas of an account, open slots included.
    """

    token: bytes
    name: str
    size: Annotated[int, NATURAL]
    content_type: str
    expire_before_ms: Annotated[int, NATURAL]
    keep_ms: Annotated[int, NATURAL]
    bytes_max: Annotated[int, NATURAL]
    file_count_max: Annotated[int, NATURAL]


class StoreUpload(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=124):
    """
    The bytes for a slot are durable on a majority of the nodes. Idempotent. Machine version 3.

    Refused with `item-not-found` for a slot that nobody knows (any more), `gone` when its time is over, `conflict` when
    it has other bytes, `not-acceptable` when the size is another.

    Attributes:
        digest: SHA-256 of the bytes.
        content_type: Counts where the slot has none.
    """

    token: bytes
    digest: bytes
    size: Annotated[int, NATURAL]
    content_type: str


class DescribeFile(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=190):
    """
    What a node found out of a stored file (machine/media/descriptions.py). Machine version 3.

    Idempotent: the first description of a file counts. Refused with `item-not-found` for a file that is not kept
    (any more), `gone` when it comes so late that nodes may have deleted the thumbnail again, `bad-request` when no file
    can be like this.

    Attributes:
        due_ms: Cluster time until which it counts.

    The others are as in tables.FileDescription.
    """

    digest: bytes
    due_ms: Annotated[int, NATURAL]
    width: Annotated[int, NATURAL] = 0
    height: Annotated[int, NATURAL] = 0
    duration_ms: Annotated[int, NATURAL] = 0
    waveform: bytes = b""
    thumbnail: bytes = b""
    thumbnail_size: Annotated[int, NATURAL] = 0
    thumbnail_type: str = ""
    thumbnail_width: Annotated[int, NATURAL] = 0
    thumbnail_height: Annotated[int, NATURAL] = 0
    lack: str = ""


MediaAction = RequestUploadSlot | StoreUpload | DescribeFile

ACTIONS: Final = (RequestUploadSlot, StoreUpload, DescribeFile)
