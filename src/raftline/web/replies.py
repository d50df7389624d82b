"""
HTTP replies: JSON bodies, and the one place that turns an error into its wire form.

    {"error": {"condition": "conflict", "text": "This name is taken."}}

Conditions are those of XMPP stanza errors (RFC 6120 section 8.3.3), so that people read one vocabulary on both ways
in. Status codes: 400 bad input, 401 no or wrong token, 403 not allowed, 404 no such thing, 409 name taken, 413 too
large, 415 no JSON, 429 too many, 503 no quorum or outcome unknown (then repeat with the same `Idempotency-Key`).
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from raftline.base.errors import OutcomeUnknown, RaftlineError, Refused, Unavailable
from raftline.machine.outcomes import Done, Outcome, Rejected

BODY_BYTES_MAX: Final = 65_536
"""Greatest body of the JSON interfaces here; none needs a tenth of it."""

RETRY_AFTER_S: Final = 1
"""A cluster that lost its leader has a new one within a second, or has no majority."""

_STATUS_OF: Final = {
    "bad-request": 400,
    "conflict": 409,
    "forbidden": 403,
    "internal-server-error": 500,
    "item-not-found": 404,
    "jid-malformed": 400,
    "not-acceptable": 400,
    "not-allowed": 403,
    "not-authorized": 401,
    "policy-violation": 429,
    "resource-constraint": 503,
    "service-unavailable": 503,
}

Body = TypeVar("Body", bound=msgspec.Struct)


class BadRequest(Exception):
    """
    A request that is wrong in HTTP's own terms.

    Attributes:
        status: HTTP status code.
        headers: To send along.
    """

    def __init__(self, status: int, condition: str, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.condition = condition
        self.text = text
        self.headers = headers or {}


def json_reply(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Encode a value as JSON; never cached."""
    return Response(
        msgspec.json.encode(content),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def error_reply(error: RaftlineError | BadRequest) -> Response:
    """Turn an error into its reply."""
    status, condition, text, headers = describe_error(error)
    return json_reply({"error": {"condition": condition, "text": text}}, status, headers)


def describe_error(error: RaftlineError | BadRequest) -> tuple[int, str, str, dict[str, str]]:
    """Return status, condition, text and headers of an error."""
    match error:
        case BadRequest():
            return error.status, error.condition, error.text, error.headers
        case Refused():
            return _STATUS_OF.get(error.condition, 400), error.condition, error.text, {}
        case OutcomeUnknown():
            text = "The outcome is not known yet. Repeat the request with the same Idempotency-Key."
            return 503, "remote-server-timeout", text, {"Retry-After": str(RETRY_AFTER_S)}
        case Unavailable():
            text = f"The cluster cannot take this now ({error}). Nothing happened; try again."
            return 503, "service-unavailable", text, {"Retry-After": str(RETRY_AFTER_S)}
        case _:
            return 500, "internal-server-error", "The server failed on this request; its log says why.", {}


async def read_body(request: Request, kind: type[Body], bytes_max: int = BODY_BYTES_MAX) -> Body:
    """
    Read a JSON body.

    Raises:
        BadRequest: It is no JSON, too large or of another shape.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise BadRequest(415, "bad-request", "The body must be JSON (Content-Type: application/json).")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise BadRequest(413, "policy-violation", f"The body is larger than {bytes_max} bytes.")
    try:
        return msgspec.json.decode(bytes(body), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(400, "bad-request", f"The body is not what is asked for: {error}") from error


def require_done(outcome: Outcome) -> Done:
    """
    Return the outcome if the command took effect.

    Raises:
        Refused: The state machine said no.
        OutcomeUnknown: A repeat whose first outcome is not kept.
    """
    match outcome:
        case Done():
            return outcome
        case Rejected():
            text = outcome.text or _SENTENCES.get(outcome.condition, "")
            raise Refused(outcome.condition, outcome.kind, text, outcome.detail)
        case _:
            raise OutcomeUnknown("the command was seen before")


_SENTENCES: Final = {
    "conflict": "This name is taken.",
    "item-not-found": "There is no such account.",
}
