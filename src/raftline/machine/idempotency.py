"""Outcomes of keyed commands, kept so that a retry after an unknown outcome is told what happened the first time."""

from __future__ import annotations

import msgspec

from raftline.base.ids import NodeId, Position, SessionId
from raftline.base.limits import IDEMPOTENCY_AGE_MAX_MS
from raftline.machine.business.values import Created, Sent
from raftline.machine.commands import KeyOrigin
from raftline.machine.context import Context
from raftline.machine.outcomes import (
    Bound,
    Done,
    Gone,
    Invited,
    InviteIssued,
    LoggedIn,
    Outcome,
    Rejected,
    Repeated,
    Resumed,
    Stale,
)
from raftline.machine.records import KeptOutcome

_DONE = 0
_REJECTED = 1
_REPEATED = 2
_STALE = 3
_RESUMED = 4
_GONE = 5
_INVITED = 6
_LOGGED_IN = 7
_INVITE_ISSUED = 8
_SENT = 9
_CREATED = 10

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(tuple[int | str, ...])


def kept_outcome(context: Context, origin: KeyOrigin) -> Outcome | None:
    """Return the outcome of the command that carried this key within the last day; None if there was none."""
    row = context.idempotency.get(origin.key)
    if row is None or context.time_ms - row.time_ms > IDEMPOTENCY_AGE_MAX_MS:
        return None
    return decode_outcome(row.outcome)


def keep_outcome(context: Context, origin: KeyOrigin, outcome: Outcome) -> None:
    """Keep the outcome of a command under its key."""
    row = KeptOutcome(origin.key, context.position, context.time_ms, encode_outcome(outcome))
    context.idempotency.put(origin.key, row)


def encode_outcome(outcome: Outcome) -> bytes:
    """Encode an outcome for the table and for the state hash."""
    match outcome:
        case Done(None):
            fields: tuple[int | str, ...] = (_DONE,)
        case Done(Bound(session_id, epoch)):
            fields = (_DONE, session_id, epoch)
        case Done(Resumed() as resumed):
            fields = (_RESUMED, *resumed)
        case Done(Gone(handled_count)):
            fields = (_GONE, handled_count)
        case Done(LoggedIn() as logged_in):
            fields = (_LOGGED_IN, *_fields_of(logged_in))
        case Done(Invited(node_id)):
            fields = (_INVITED, node_id)
        case Done(InviteIssued(expires_ms)):
            fields = (_INVITE_ISSUED, expires_ms)
        case Done(Sent(position, fingerprint)):
            fields = (_SENT, position, fingerprint.hex())
        case Done(Created() as created):
            fields = (_CREATED, *created)
        case Rejected(condition, kind, text, detail):
            fields = (_REJECTED, condition, kind, text, detail)
        case Repeated():
            fields = (_REPEATED,)
        case _:
            fields = (_STALE,)
    return _ENCODER.encode(fields)


def decode_outcome(data: bytes) -> Outcome:
    """Read an outcome of the table back."""
    match _DECODER.decode(data):
        case (0,):
            return Done()
        case (0, int(session_id), int(epoch)):
            return Done(Bound(SessionId(session_id), epoch))
        case (1, str(condition), str(kind), str(text), str(detail)):
            return Rejected(condition, kind, text, detail)
        case (4, int(session_id), int(epoch), str(resource), int(number), int(count), int(base)):
            return Done(Resumed(SessionId(session_id), epoch, resource, number, count, base))
        case (5, int(handled_count)):
            return Done(Gone(handled_count))
        case (7, int(expires_ms), int(gone), *hold):
            return Done(_logged_in(expires_ms, gone, hold))
        case (6, int(node_id)):
            return Done(Invited(NodeId(node_id)))
        case (8, int(expires_ms)):
            return Done(InviteIssued(expires_ms))
        case (9, int(position), str(digits)):
            return Done(Sent(Position(position), bytes.fromhex(digits)))
        case (10, int(business_id), int(app_id), int(number_id), int(token_id), int(template_id)):
            return Done(Created(business_id, app_id, number_id, token_id, template_id))
        case (2,):
            return Repeated()
        case (3,):
            return Stale()
        case other:
            raise AssertionError(other)


def _fields_of(logged_in: LoggedIn) -> tuple[int | str, ...]:
    """Write the result of LogIn flat; -1 stands for a count that is not there."""
    gone = -1 if logged_in.gone is None else logged_in.gone.handled_count
    return (logged_in.token_expires_ms, gone, *(logged_in.bound or logged_in.resumed or ()))


def _logged_in(expires_ms: int, gone: int, hold: list[int | str]) -> LoggedIn:
    bound = resumed = None
    match hold:
        case (int(session_id), int(epoch)):
            bound = Bound(SessionId(session_id), epoch)
        case (int(session_id), int(epoch), str(resource), int(number), int(count), int(base)):
            resumed = Resumed(SessionId(session_id), epoch, resource, number, count, base)
    return LoggedIn(bound, resumed, None if gone < 0 else Gone(gone), expires_ms)
