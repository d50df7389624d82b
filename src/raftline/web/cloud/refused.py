"""
What the Cloud API of others has and Raftline has not: refused by name, so that nobody looks for a fault of theirs.

Each row is a path under a subject and what is not there. All methods of it are refused alike, with code 100; what is
the operator's to do, with code 10. Paths that nobody knows of are refused by routing.py, with code 100 as well.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from starlette.responses import Response

from raftline.web.cloud.call import ANY, Call, Endpoint, EndpointFunction, Subject
from raftline.web.cloud.errors import Code, GraphError

METHODS: Final = ("DELETE", "GET", "POST")


class Lack(NamedTuple):
    """
    Something that is not here.

    Attributes:
        subject: What the path names, or the fixed name that it begins with.
        rest: Segments of the path after the subject.
        methods: Of these; what is served by others is not named here.
    """

    subject: Subject | str
    rest: str
    code: Code
    why: str
    methods: tuple[str, ...] = METHODS


_NUMBER: Final = Subject.NUMBER
_BUSINESS: Final = Subject.BUSINESS
_TEMPLATE: Final = Subject.TEMPLATE
_NONE: Final = Code.INVALID_PARAMETER
_OPERATOR: Final = Code.PERMISSION

LACKS: Final[tuple[Lack, ...]] = (
    Lack(_NUMBER, "calls", _NONE, "Raftline places no calls for businesses."),
    Lack(_NUMBER, "call_permissions", _NONE, "Raftline places no calls for businesses."),
    Lack(_NUMBER, "message_qrdls", _NONE, "Raftline has no QR codes with messages."),
    Lack(_NUMBER, f"message_qrdls/{ANY}", _NONE, "Raftline has no QR codes with messages."),
    Lack("signups", ANY, _NONE, "Raftline has no sign-ups within conversations."),
    Lack(_NUMBER, "whatsapp_commerce_settings", _NONE, "Raftline has no catalogs and no carts."),
    Lack(_NUMBER, "whatsapp_business_encryption", _NONE, "Raftline has no flows, which alone need this key."),
    Lack(_NUMBER, "conversational_automation", _NONE, "Raftline has no commands and ice breakers of numbers."),
    Lack(_NUMBER, "marketing_messages", _NONE, "Raftline sends all templates through messages."),
    Lack(_NUMBER, "username", _NONE, "Numbers have no other names here: their account is their number."),
    Lack(_NUMBER, "username_suggestions", _NONE, "Numbers have no other names here: their account is their number."),
    Lack(_NUMBER, "settings", _NONE, "Nothing can be set of a number here.", ("POST",)),
    Lack(_NUMBER, "request_code", _NONE, "Numbers need no verification here."),
    Lack(_NUMBER, "verify_code", _NONE, "Numbers need no verification here."),
    Lack(_BUSINESS, "", _NONE, "Nothing can be set of a business here.", ("POST",)),
    Lack(_BUSINESS, "phone_numbers", _OPERATOR, "The operator adds numbers: raftline business number.", ("POST",)),
    Lack(_BUSINESS, "flows", _NONE, "Raftline has no flows."),
    Lack(_BUSINESS, "migrate_flows", _NONE, "Raftline has no flows."),
    Lack(_BUSINESS, "signups", _NONE, "Raftline has no sign-ups within conversations."),
    Lack(_BUSINESS, "upsert_message_templates", _NONE, "Raftline has no templates of one-time codes."),
    Lack(_BUSINESS, "migrate_message_templates", _NONE, "Templates stay with the business that made them."),
    Lack(_BUSINESS, "owned_whatsapp_business_accounts", _NONE, "Businesses belong to no portfolio here."),
    Lack(_BUSINESS, "client_whatsapp_business_accounts", _NONE, "Businesses belong to no portfolio here."),
    Lack(_TEMPLATE, "compare", _NONE, "Raftline does not count what becomes of templates."),
    Lack(_TEMPLATE, "unpause", _NONE, "Raftline pauses no templates."),
)
"""All of them."""


def _refuse(lack: Lack) -> EndpointFunction:
    async def refuse(_call: Call) -> Response:
        raise GraphError(lack.code, lack.why)

    return refuse


ENDPOINTS: Final = tuple(
    Endpoint(method, lack.subject, tuple(lack.rest.split("/")) if lack.rest else (), _refuse(lack), "")
    for lack in LACKS
    for method in lack.methods
)
"""What this file serves."""
