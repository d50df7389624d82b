"""
Once, under a key: what makes a repeated request the same request, at whichever node.

With the header `Idempotency-Key` a request has the same keys everywhere and always, made of the number and the header.
The state machine keeps for a day what came of a command under its key, so a repeat gets the first answer, and the
fingerprint of the first request tells when the key was used for another one. A refusal for sending too fast is no
answer that should last: it uses the key up, and the next repeat goes on to the next one of a fixed sequence, which all
nodes walk alike. Without the header a request draws a key, which covers retries of this edge alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final, NamedTuple, cast

import msgspec

from raftline.base.cloud_limits import (
    CLOUD_WAIT_S,
    IDEMPOTENCY_KEY_LENGTH_MAX,
    PACED_KEY_COUNT_MAX,
    SEND_ATTEMPT_COUNT_MAX,
)
from raftline.base.errors import OutcomeUnknown, Refused, Unavailable
from raftline.machine.business.values import Sent
from raftline.machine.commands import Action
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.queries import OutcomeUnder
from raftline.web.accounts import KEY_BYTES
from raftline.web.admin import IDEMPOTENCY_HEADER
from raftline.web.cloud.call import Call
from raftline.web.cloud.errors import Code, GraphError, wrong
from raftline.web.replies import require_done

_PACED: Final = "policy-violation"
_FINGERPRINT_BYTES: Final = 16


class RequestKey(NamedTuple):
    """
    Under what a request takes effect once.

    Attributes:
        key: 16 bytes.
        fingerprint: Of the request; empty without a header, when nothing is compared.
        earlier: What came of it before, as far as this node knows.
    """

    key: bytes
    fingerprint: bytes = b""
    earlier: Outcome | None = None


async def key_of(call: Call) -> RequestKey:
    """
    Return the key of a request.

    Raises:
        GraphError: 131009 for a header that is too long.
    """
    header = call.request.headers.get(IDEMPOTENCY_HEADER)
    if not header:
        return RequestKey(draw_key(call))
    if len(header) > IDEMPOTENCY_KEY_LENGTH_MAX:
        raise wrong(IDEMPOTENCY_HEADER, f"has more than {IDEMPOTENCY_KEY_LENGTH_MAX} characters")
    fingerprint = _fingerprint_of(await call.body())
    earlier = None
    for key in _keys(f"{call.number.number.number_id}\n{header}"):
        earlier = cast("Outcome | None", await call.node.ask(OutcomeUnder(key)))
        if not (isinstance(earlier, Rejected) and earlier.condition == _PACED):
            break
    return RequestKey(key, fingerprint, earlier)


def draw_key(call: Call) -> bytes:
    """Draw a key that nobody else has."""
    return call.edge.entropy(KEY_BYTES)


def message_id_of(key: bytes) -> str:
    """Return the `id` attribute of the message that is sent under a key; it does not tell the key."""
    return blake2b(key, digest_size=16, person=b"raftline-message").hexdigest()


async def send_once(call: Call, key: bytes, action: Action) -> Sent:
    """
    Carry a command out that sends something, under a key; an unknown outcome is asked for again, some times.

    Raises:
        GraphError: 133010 for a number that is not registered, 131026 for a person whom it has blocked.
        Refused: The state machine said no.
        OutcomeUnknown: It is still not known whether it took effect.
        Unavailable: It certainly did not.
    """
    try:
        async with asyncio.timeout(CLOUD_WAIT_S):
            return await _send_stubbornly(call, key, action)
    except TimeoutError as error:
        raise OutcomeUnknown("no outcome in time") from error


async def _send_stubbornly(call: Call, key: bytes, action: Action) -> Sent:
    unknown: OutcomeUnknown | None = None
    for _ in range(SEND_ATTEMPT_COUNT_MAX):
        try:
            return sent_by(await call.node.execute(action, key=key))
        except OutcomeUnknown as error:
            unknown = error
        except Unavailable as error:
            # That this attempt entered no log says nothing of the one before.
            raise (unknown or error) from error
    assert unknown is not None
    raise unknown


def sent_by(outcome: Outcome) -> Sent:
    """Return what was sent; errors as for `send_once`."""
    match outcome:
        case Done(Sent() as sent):
            return sent
        case Rejected("not-allowed"):
            raise GraphError(Code.NOT_REGISTERED, "The number is not registered; register it to send again.")
        case Rejected("not-acceptable"):
            raise blocked_by_number()
        case _:
            done = require_done(outcome)
            raise Refused("internal-server-error", "cancel", f"a send that sent nothing: {done}")


def require_same(sent: Sent, key: RequestKey) -> None:
    """
    Check that what was carried out under a key is what was asked for.

    Raises:
        GraphError: 131009.
    """
    if key.fingerprint and sent.fingerprint != key.fingerprint:
        raise wrong(IDEMPOTENCY_HEADER, "was used for another request")


def blocked_by_number() -> GraphError:
    """Return the refusal for a person whom the number itself has blocked."""
    return GraphError(Code.UNDELIVERABLE, "The number has blocked this person; unblock them to write to them.")


def _keys(seed: str) -> Iterator[bytes]:
    for number in range(PACED_KEY_COUNT_MAX):
        yield blake2b(f"{number}\n{seed}".encode(), digest_size=KEY_BYTES, person=b"raftline-cloud").digest()


def _fingerprint_of(body: bytes) -> bytes:
    """Hash a JSON body apart from the order of its fields."""
    written = msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    return blake2b(written, digest_size=_FINGERPRINT_BYTES).digest()
