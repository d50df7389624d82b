"""
Refusals of the Cloud API, and the one place that turns any failure under `/vN.N/` into its wire form.

    {"error": {"message": "(#131009) Parameter value is not valid", "type": "OAuthException", "code": 131009,
               "error_subcode"?, "error_data": {"messaging_product": "whatsapp", "details": "…"}, "is_transient"?,
               "fbtrace_id": "…"}}

Programs choose by `code` alone, people read `details`. What entered no log, or may have, is 503 with code 131016,
`is_transient` and `Retry-After`: the same request under the same `Idempotency-Key` then does no harm.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from raftline.base.cloud_limits import CLOUD_RETRY_AFTER_S
from raftline.base.errors import OutcomeUnknown, Refused, StorageError, Unavailable
from raftline.web.replies import BadRequest


class Code(IntEnum):
    """Codes of errors that this API gives; programs know them by their numbers."""

    AUTHENTICATION = 0
    METHOD = 3
    TOO_MANY_CALLS = 4
    PERMISSION = 10
    INVALID_PARAMETER = 100
    TOKEN = 190
    SCOPE = 200
    THROUGHPUT = 130429
    UNKNOWN = 131000
    MISSING_PARAMETER = 131008
    INVALID_VALUE = 131009
    UNAVAILABLE = 131016
    RECIPIENT_IS_SENDER = 131021
    UNDELIVERABLE = 131026
    GROUP_UNKNOWN = 131041
    TOO_MANY_SPAM = 131048
    UNSUPPORTED_TYPE = 131051
    MEDIA_UPLOAD = 131053
    PAIR_RATE = 131056
    GROUP_CURSOR = 131059
    GROUP_DUPLICATE_PARTICIPANT = 131202
    GROUP_TOO_MANY_PARTICIPANTS = 131204
    GROUP_PICTURE_NOT_SQUARE = 131209
    GROUP_PICTURE_TOO_SMALL = 131210
    GROUP_CREATION_LIMIT = 131211
    GROUP_NOT_A_PARTICIPANT = 131212
    GROUP_NO_JOIN_REQUEST = 131213
    TEMPLATE_COUNT_MISMATCH = 132000
    TEMPLATE_UNKNOWN = 132001
    TEMPLATE_TEXT_TOO_LONG = 132005
    TEMPLATE_FORMAT_MISMATCH = 132012
    NOT_REGISTERED = 133010
    BLOCK_FAILED = 139100
    BLOCK_LIMIT = 139101
    BLOCK_CONFLICT = 139102
    BLOCK_INTERNAL = 139103


UNKNOWN_OBJECT_SUBCODE: Final = 33
"""With INVALID_PARAMETER: there is no such object, or it is of a kind that cannot be asked for this."""

_TITLES: Final[dict[int, str]] = {
    Code.AUTHENTICATION: "AuthException",
    Code.METHOD: "Unsupported method",
    Code.TOO_MANY_CALLS: "Too many calls",
    Code.PERMISSION: "Permission denied",
    Code.INVALID_PARAMETER: "Invalid parameter",
    Code.TOKEN: "Access token is not valid",
    Code.SCOPE: "Permission is missing",
    Code.THROUGHPUT: "Rate limit hit",
    Code.UNKNOWN: "Something went wrong",
    Code.MISSING_PARAMETER: "Required parameter is missing",
    Code.INVALID_VALUE: "Parameter value is not valid",
    Code.UNAVAILABLE: "Service unavailable",
    Code.GROUP_UNKNOWN: "Group is unknown",
    Code.RECIPIENT_IS_SENDER: "Recipient cannot be sender",
    Code.UNDELIVERABLE: "Message undeliverable",
    Code.TOO_MANY_SPAM: "Spam rate limit hit",
    Code.UNSUPPORTED_TYPE: "Unsupported message type",
    Code.MEDIA_UPLOAD: "Media upload error",
    Code.PAIR_RATE: "Pair rate limit hit",
    Code.GROUP_CURSOR: "Invalid cursor",
    Code.GROUP_DUPLICATE_PARTICIPANT: "Duplicate participants",
    Code.GROUP_TOO_MANY_PARTICIPANTS: "Too many participants",
    Code.GROUP_PICTURE_NOT_SQUARE: "Profile picture is not square",
    Code.GROUP_PICTURE_TOO_SMALL: "Profile picture is too small",
    Code.GROUP_CREATION_LIMIT: "Group creation limit reached",
    Code.GROUP_NOT_A_PARTICIPANT: "Participant is not in the group",
    Code.GROUP_NO_JOIN_REQUEST: "Join request does not exist",
    Code.TEMPLATE_COUNT_MISMATCH: "Number of parameters does not match the expected number of params",
    Code.TEMPLATE_UNKNOWN: "Template does not exist",
    Code.TEMPLATE_TEXT_TOO_LONG: "Template hydrated text too long",
    Code.TEMPLATE_FORMAT_MISMATCH: "Parameter format does not match format in the created template",
    Code.NOT_REGISTERED: "Phone number not registered",
    Code.BLOCK_FAILED: "Block list could not be changed",
    Code.BLOCK_LIMIT: "Block list limit reached",
    Code.BLOCK_CONFLICT: "Block list was changed meanwhile",
    Code.BLOCK_INTERNAL: "Block list failed",
}

_STATUS_OF: Final[dict[int, int]] = {
    Code.AUTHENTICATION: 401,
    Code.METHOD: 405,
    Code.TOO_MANY_CALLS: 429,
    Code.PERMISSION: 403,
    Code.TOKEN: 401,
    Code.SCOPE: 403,
    Code.THROUGHPUT: 429,
    Code.UNKNOWN: 500,
    Code.UNAVAILABLE: 503,
    Code.TOO_MANY_SPAM: 429,
    Code.PAIR_RATE: 429,
    Code.BLOCK_INTERNAL: 500,
}

_CODE_OF_CONDITION: Final = {
    "forbidden": Code.PERMISSION,
    "not-allowed": Code.PERMISSION,
    "not-authorized": Code.TOKEN,
    "internal-server-error": Code.UNKNOWN,
    "service-unavailable": Code.UNAVAILABLE,
    "not-acceptable": Code.INVALID_VALUE,
}
_CODE_OF_STATUS: Final = {401: Code.TOKEN, 403: Code.PERMISSION, 405: Code.METHOD, 429: Code.TOO_MANY_CALLS}
_PACE_CODES: Final = {"number": Code.THROUGHPUT, "pair": Code.PAIR_RATE}

FAILED: Final = "The server failed on this request; its log says why."


class GraphError(Exception):
    """
    A refusal as programs see it.

    Attributes:
        details: A sentence for people.
        status: HTTP status; by the code when it is not said.
        subcode: 0 for none.
        headers: To send along.
        user_message: For whom a program shows what went wrong; empty for none.
    """

    def __init__(
        self,
        code: int,
        details: str,
        *,
        status: int = 0,
        subcode: int = 0,
        is_transient: bool = False,
        headers: dict[str, str] | None = None,
        user_message: str = "",
    ) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.status = status or _STATUS_OF.get(code, 400)
        self.subcode = subcode
        self.is_transient = is_transient
        self.headers = headers or {}
        self.user_message = user_message

    @property
    def title(self) -> str:
        """What the code means, in a few words."""
        return _TITLES.get(self.code, "Invalid request")

    def as_json(self) -> dict[str, Any]:
        """Return the error without what belongs to a reply, as lists of partial failures show it."""
        shown: dict[str, Any] = {
            "message": f"(#{self.code:d}) {self.title}",
            "type": "OAuthException",
            "code": int(self.code),
            "error_data": {"messaging_product": "whatsapp", "details": self.details},
        }
        if self.subcode:
            shown["error_subcode"] = self.subcode
        if self.user_message:
            shown |= {"error_user_title": self.title, "error_user_msg": self.user_message}
        if self.is_transient:
            shown["is_transient"] = True
        return shown


def unknown_object(text: str, status: int = 400) -> GraphError:
    """Return the refusal for an id that names nothing, or nothing that can be asked for this."""
    details = f"There is no object {text[:100]!r} that can be asked for this."
    return GraphError(Code.INVALID_PARAMETER, details, status=status, subcode=UNKNOWN_OBJECT_SUBCODE)


def missing(parameter: str) -> GraphError:
    """Return the refusal for a parameter that is not there."""
    return GraphError(Code.MISSING_PARAMETER, f"The parameter {parameter} is missing.")


def wrong(parameter: str, why: str) -> GraphError:
    """Return the refusal for a parameter that cannot be; `why` goes on after its name."""
    return GraphError(Code.INVALID_VALUE, f"The parameter {parameter} {why}.")


def unavailable(details: str) -> GraphError:
    """Return the refusal for what may be tried again at once."""
    return GraphError(Code.UNAVAILABLE, details, is_transient=True, headers={"Retry-After": str(CLOUD_RETRY_AFTER_S)})


def graph_error(error: Exception) -> GraphError:
    """Turn any failure into a refusal; what nobody expected becomes 131000 and says nothing of its cause."""
    match error:
        case GraphError():
            return error
        case OutcomeUnknown():
            return unavailable("The outcome is not known yet. Repeat the request with the same Idempotency-Key.")
        case Unavailable():
            return unavailable(f"The cluster cannot take this now ({error}). Nothing happened; try again.")
        case StorageError():
            return unavailable("The disk of this node failed or is full; try another node, or again.")
        case Refused(condition="policy-violation"):
            return GraphError(_PACE_CODES.get(error.detail, Code.TOO_MANY_CALLS), str(error))
        case Refused(condition="item-not-found"):
            return GraphError(Code.INVALID_PARAMETER, str(error), subcode=UNKNOWN_OBJECT_SUBCODE)
        case Refused():
            return GraphError(_CODE_OF_CONDITION.get(error.condition, Code.INVALID_PARAMETER), str(error))
        case BadRequest():
            code = _CODE_OF_STATUS.get(error.status, Code.INVALID_PARAMETER)
            return GraphError(code, error.text, status=error.status, headers=error.headers)
        case HTTPException():
            code = _CODE_OF_STATUS.get(error.status_code, Code.INVALID_PARAMETER)
            return GraphError(code, error.detail, status=error.status_code, headers=dict(error.headers or {}))
        case _:
            return GraphError(Code.UNKNOWN, FAILED)


def error_reply(error: GraphError, trace: str) -> Response:
    """Write a refusal; `trace` names the request in logs."""
    return graph_reply({"error": {**error.as_json(), "fbtrace_id": trace}}, error.status, error.headers)


def graph_reply(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Encode a value as JSON; never cached, never taken for anything else."""
    return Response(
        msgspec.json.encode(content),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})},
    )
