"""Answers to questions about uploads, as answers.py takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from raftline.base.limits import STORED_FILE_PAGE_ROW_COUNT_MAX
from raftline.machine.context import Context
from raftline.machine.media.queries import (
    DescriptionOf,
    StoredAmong,
    StoredFiles,
    UndescribedFiles,
    UploadOf,
    UploadUseOf,
)
from raftline.machine.media.tables import FileDescription, StoredFile, UndescribedFile, UploadUse
from raftline.machine.media.uploads import upload_under
from raftline.machine.media.values import UploadView
from raftline.machine.queries import Answer, Query
from raftline.machine.retention.rules import UPLOADS, age_of


def _upload_of(context: Context, query: UploadOf) -> UploadView | None:
    upload = upload_under(context, query.token)
    if upload is None:
        return None
    ends = [upload.until_ms] if upload.until_ms else []
    age_ms = age_of(context, UPLOADS)
    if age_ms and upload.digest:
        ends.append(upload.stored_ms + age_ms + 1)
    until_ms = min(ends, default=0)
    is_over = 0 < upload.due_ms <= context.time_ms or (bool(upload.digest) and 0 < until_ms <= context.time_ms)
    return UploadView(
        upload.name, upload.size, upload.content_type, until_ms, upload.digest, is_over, upload.account_id
    )


def _stored_files(context: Context, query: StoredFiles) -> list[StoredFile]:
    sql = "SELECT * FROM stored_file WHERE digest > ? ORDER BY digest LIMIT ?"
    limit = min(max(query.limit, 0), STORED_FILE_PAGE_ROW_COUNT_MAX)
    return [StoredFile._make(row) for row in context.rows.select((context.media.files,), sql, (query.after, limit))]


def _stored_among(context: Context, query: StoredAmong) -> list[StoredFile]:
    found = (context.media.files.get(digest) for digest in query.digests)
    return [stored for stored in found if stored is not None]


def _upload_use_of(context: Context, query: UploadUseOf) -> UploadUse | None:
    account = context.accounts.get(query.localpart)
    return None if account is None else context.media.uses.get(account.account_id)


def _description_of(context: Context, query: DescriptionOf) -> FileDescription | None:
    return context.media.descriptions.get(query.digest)


def _undescribed_files(context: Context, query: UndescribedFiles) -> list[UndescribedFile]:
    sql = "SELECT * FROM undescribed_file WHERE digest > ? ORDER BY digest LIMIT ?"
    limit = min(max(query.limit, 0), STORED_FILE_PAGE_ROW_COUNT_MAX)
    found = context.rows.select((context.media.undescribed,), sql, (query.after, limit))
    return [UndescribedFile._make(row) for row in found]


MEDIA_ANSWERS: Final[Mapping[type[Query], Callable[[Context, Any], Answer]]] = MappingProxyType(
    {
        UploadOf: _upload_of,
        StoredFiles: _stored_files,
        StoredAmong: _stored_among,
        UploadUseOf: _upload_use_of,
        DescriptionOf: _description_of,
        UndescribedFiles: _undescribed_files,
    }
)
