"""Answers about uploads (see machine/media/queries.py)."""

from __future__ import annotations

from typing import NamedTuple

from raftline.base.ids import AccountId


class UploadView(NamedTuple):
    """
    A slot or a file; fields as in machine.media.tables.Upload.

    Attributes:
        digest: Empty while nothing was put.
        is_over: Its time has come, by cluster time, though it is not deleted yet.
        account_id: Of whoever uploaded it; 0 where nobody asks for it.
    """

    name: str
    size: int
    content_type: str
    until_ms: int
    digest: bytes
    is_over: bool
    account_id: AccountId = AccountId(0)
