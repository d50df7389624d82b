"""
Slots and files of accounts (XEP-0363).

    RequestUploadSlot ──▶ open ── StoreUpload ──▶ file ── its time, or its account, is over ──▶ deleted
                            └──── its time is over ────────────────────────────────────────────────▶ deleted

An open slot counts towards the quotas with the size that was announced, so that nobody opens more than may be filled.
The same bytes are one row of `stored_file`, whoever uploaded them, counted by the uploads that refer to them. Like
messages and interned addresses these rows are no entity.

The bytes themselves are no part of the state: nodes keep them on their disks and delete what has no row here, some
hours after they first missed it (cluster/media). For that time no `StoreUpload` may come any more that relies on bytes
which a node said it has; the end of an open slot sees to that (base/limits.py).
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import AccountId
from raftline.base.limits import (
    UPLOAD_CONTENT_TYPE_SIZE_MAX,
    UPLOAD_DIGEST_SIZE,
    UPLOAD_NAME_SIZE_MAX,
    UPLOAD_RATE_MIN,
    UPLOAD_SIZE_MAX,
    UPLOAD_SLOT_COUNT_MAX,
    UPLOAD_SLOT_LIFETIME_MS,
    UPLOAD_TOKEN_SIZE,
)
from raftline.base.timestamps import format_timestamp
from raftline.machine.context import Context
from raftline.machine.media import descriptions
from raftline.machine.media.commands import RequestUploadSlot, StoreUpload
from raftline.machine.media.files import hold, release
from raftline.machine.media.tables import Upload, UploadUse
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.records import Session

UPLOAD_NAMESPACE: Final = "urn:xmpp:http:upload:0"
DEFAULT_CONTENT_TYPE: Final = "application/octet-stream"
"""Of files of which nobody says what they are (section 7)."""

_DONE: Final = Done()
_MALFORMED: Final = Rejected("bad-request", "modify", "The name, the size or the type of the file cannot be.")


def request_slot(context: Context, session: Session, action: RequestUploadSlot) -> Outcome:
    """Open a slot, if the quotas leave room for its file."""
    if not _is_well_formed(action) or context.media.uploads.get(action.token) is not None:
        return _MALFORMED
    use = _use_of(context, session.account_id)
    if use.open_count >= UPLOAD_SLOT_COUNT_MAX:
        return _over_quota(context, session.account_id, f"At most {UPLOAD_SLOT_COUNT_MAX} uploads wait for their file.")
    if use.open_count + use.file_count >= action.file_count_max:
        return _over_quota(context, session.account_id, f"You have uploaded {action.file_count_max} files.")
    if use.size + action.size > action.bytes_max:
        return _over_quota(context, session.account_id, f"Your files would have more than {action.bytes_max} bytes.")
    time_ms = context.time_ms
    if 0 < action.expire_before_ms <= time_ms:
        return Rejected("not-acceptable", "modify", "The file would be gone before it is there.")
    ends = [time_ms + action.keep_ms] if action.keep_ms else []
    ends += [action.expire_before_ms] if action.expire_before_ms else []
    due_ms = time_ms + UPLOAD_SLOT_LIFETIME_MS + action.size * 1000 // UPLOAD_RATE_MIN
    upload = Upload(
        action.token,
        session.account_id,
        action.name,
        action.size,
        action.content_type,
        due_ms=min([due_ms, *ends]),
        until_ms=min(ends, default=0),
        digest=b"",
        stored_ms=0,
    )
    context.media.uploads.put(upload.token, upload)
    _put_use(context, use._replace(open_count=use.open_count + 1, size=use.size + action.size))
    return _DONE


def store_upload(context: Context, action: StoreUpload) -> Outcome:
    """Put a file into its slot."""
    media = context.media
    upload = upload_under(context, action.token)
    if upload is None:
        return Rejected("item-not-found", "cancel", "There is no such slot, or its time is long over.")
    if upload.digest:
        is_same = upload.digest == action.digest
        return _DONE if is_same else Rejected("conflict", "cancel", "Another file was put into this slot.")
    if upload.due_ms <= context.time_ms:
        return Rejected("gone", "cancel", "The time of this slot is over.")
    if action.size != upload.size or len(action.digest) != UPLOAD_DIGEST_SIZE:
        return Rejected("not-acceptable", "modify", "The file has another size than was announced.")
    content_type = upload.content_type or action.content_type or DEFAULT_CONTENT_TYPE
    if len(content_type) > UPLOAD_CONTENT_TYPE_SIZE_MAX:
        return _MALFORMED
    stored_upload = upload._replace(content_type=content_type, due_ms=upload.until_ms, digest=action.digest)
    media.uploads.put(upload.token, stored_upload._replace(stored_ms=context.time_ms))
    use = _use_of(context, upload.account_id)
    _put_use(context, use._replace(open_count=use.open_count - 1, file_count=use.file_count + 1))
    hold(context, action.digest, action.size)
    descriptions.await_description(context, action.digest, action.size)
    return _DONE


def upload_under(context: Context, token: bytes) -> Upload | None:
    """Return a slot or file; those of a deleted account are gone at once, though their rows go in steps."""
    upload = context.media.uploads.get(token)
    return None if upload is None or context.doomed.get(upload.account_id) is not None else upload


def expire_upload(context: Context, token: bytes) -> None:
    """Delete a slot or a file whose time is over."""
    upload = context.media.uploads.get(token)
    assert upload is not None, token
    _delete(context, upload)


def end_by(context: Context, token: bytes, account_id: AccountId, until_ms: int) -> None:
    """Let an account's slot or file go at a cluster time, unless it goes before; that of anybody else stays."""
    upload = context.media.uploads.get(token)
    if upload is None or upload.account_id != account_id:
        return
    ends = upload._replace(
        due_ms=min(upload.due_ms or until_ms, until_ms), until_ms=min(upload.until_ms or until_ms, until_ms)
    )
    context.media.uploads.put(token, ends)


def forget_uploads(context: Context, account_id: AccountId, budget: int) -> int:
    """Delete some uploads of an account that was deleted; return how many."""
    sql = "SELECT * FROM upload WHERE account_id = ? ORDER BY due_ms, token LIMIT ?"
    found = context.rows.select((context.media.uploads,), sql, (account_id, max(budget, 0)))
    for row in found:
        _delete(context, Upload._make(row))
    return len(found)


def _delete(context: Context, upload: Upload) -> None:
    media = context.media
    media.uploads.delete(upload.token)
    use = _use_of(context, upload.account_id)
    if not upload.digest:
        _put_use(context, use._replace(open_count=use.open_count - 1, size=use.size - upload.size))
        return
    _put_use(context, use._replace(file_count=use.file_count - 1, size=use.size - upload.size))
    release(context, upload.digest)


def _is_well_formed(action: RequestUploadSlot) -> bool:
    return (
        len(action.token) == UPLOAD_TOKEN_SIZE
        and 0 < len(action.name.encode()) <= UPLOAD_NAME_SIZE_MAX
        and len(action.content_type) <= UPLOAD_CONTENT_TYPE_SIZE_MAX
        and 0 < action.size <= UPLOAD_SIZE_MAX
    )


def _use_of(context: Context, account_id: AccountId) -> UploadUse:
    return context.media.uses.get(account_id) or UploadUse(account_id, 0, 0, 0)


def _put_use(context: Context, use: UploadUse) -> None:
    if use.open_count or use.file_count:
        context.media.uses.put(use.account_id, use)
    else:
        context.media.uses.delete(use.account_id)


def _over_quota(context: Context, account_id: AccountId, text: str) -> Rejected:
    """Refuse, and tell when something of the account ends by itself (section 6); for good if nothing does."""
    sql = "SELECT min(due_ms) FROM upload WHERE account_id = ? AND due_ms > 0"
    ((due_ms,),) = context.rows.select((context.media.uploads,), sql, (account_id,))
    if due_ms is None:
        return Rejected("resource-constraint", "cancel", text)
    detail = f"{{{UPLOAD_NAMESPACE}}}retry stamp={format_timestamp(max(due_ms, context.time_ms))}"
    return Rejected("resource-constraint", "wait", text, detail)
