"""Groups as the Cloud API shows them, and how one is found that a path names."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Any, Final, cast

from raftline.base.ids import AccountId
from raftline.machine.business.group_queries import GroupOf
from raftline.machine.business.group_values import GroupView
from raftline.machine.business.ids import group_id
from raftline.machine.business.values import Identity
from raftline.machine.commands import Action
from raftline.machine.rooms.ranks import Affiliation
from raftline.web.accounts import command_key
from raftline.web.admin import IDEMPOTENCY_HEADER, IDEMPOTENCY_KEY_CHARACTERS_MAX
from raftline.web.cloud.addressing import bsuid_of, wa_id_of
from raftline.web.cloud.bodies import PRODUCT
from raftline.web.cloud.call import Call
from raftline.web.cloud.errors import Code, GraphError, wrong
from raftline.web.replies import require_done

AUTO_APPROVE: Final = "auto_approve"
APPROVAL_REQUIRED: Final = "approval_required"

_ID_BYTES: Final = 8
_REQUEST: Final = "jr_"


async def find_group(call: Call) -> GroupView:
    """
    Return the group that a path names, as a number of the token's business in it sees it.

    Raises:
        GraphError: 131041, there is none, or none of the business's numbers is in it.
    """
    assert isinstance(call.named, str)
    await call.node.barrier()
    view = cast("GroupView | None", await call.node.ask(GroupOf(call.token.app.business_id, call.named)))
    if view is None:
        raise unknown_group(call.parts[0])
    return view


async def find_led_group(call: Call) -> GroupView:
    """
    Return the group that a path names, which a number of the token's business leads.

    Raises:
        GraphError: 10, it is only a member; as `find_group`.
    """
    view = await find_group(call)
    if view.affiliation < Affiliation.ADMIN:
        raise GraphError(Code.PERMISSION, "The number is a member of this group, and does not lead it.")
    return view


def unknown_group(text: str) -> GraphError:
    """Return the refusal for a group that is not there, or that no number of the business is in."""
    return GraphError(Code.GROUP_UNKNOWN, f"There is no group {text[:100]!r} that a number of yours is in.")


def key_of(call: Call) -> bytes:
    """
    Return the key under which a request takes effect once.

    Raises:
        GraphError: 131009 for a header that is too long.
    """
    header = call.request.headers.get(IDEMPOTENCY_HEADER)
    if header is not None and len(header) > IDEMPOTENCY_KEY_CHARACTERS_MAX:
        raise wrong(IDEMPOTENCY_HEADER, f"has more than {IDEMPOTENCY_KEY_CHARACTERS_MAX} characters")
    purpose = f"{call.token.app.app_id} {call.request.method} {'/'.join(call.parts)}"
    return command_key(header, purpose, call.edge.entropy)


def request_id_of(key: bytes) -> str:
    """Return the id by which events name the request that was made under a key; it does not tell the key."""
    return blake2b(key, digest_size=_ID_BYTES, person=b"raftline-request").hexdigest()


def room_of(key: bytes) -> str:
    """Return the local part of the room that is made under a key."""
    return "g" + blake2b(key, digest_size=_ID_BYTES, person=b"raftline-group").hexdigest()


async def carry_out(call: Call, action: Action, key: bytes) -> dict[str, Any]:
    """
    Carry a command out, and return the body of the answer to it.

    Raises:
        Refused, Unavailable, OutcomeUnknown: As `door.Node.execute` and the command.
    """
    require_done(await call.node.execute(action, key=key))
    return {"messaging_product": PRODUCT, "request_id": request_id_of(key)}


def shown_group(view: GroupView) -> dict[str, Any]:
    """Return a group with all its fields."""
    shown = {
        "messaging_product": PRODUCT,
        "id": group_id(view.room),
        "subject": view.subject,
        "description": view.description,
        "creation_timestamp": str(view.created_ms // 1000),
        "suspended": False,
        "total_participant_count": view.member_count,
        "participants": [shown_person(person.localpart, person.account_id) for person in view.members],
        "join_approval_mode": mode_of(join_requests=view.join_requests),
    }
    if not view.description:
        del shown["description"]
    return shown


def shown_person(localpart: str, account_id: AccountId) -> dict[str, str]:
    """Return somebody as lists of people name them: by number, if there is one, and BSUID."""
    wa_id, user_id = wa_id_of(localpart), bsuid_of(Identity(localpart, account_id, ""))
    return {"wa_id": wa_id, "user_id": user_id} if wa_id else {"user_id": user_id}


def mode_of(*, join_requests: bool) -> str:
    """Return how people come into a group."""
    return APPROVAL_REQUIRED if join_requests else AUTO_APPROVE


def join_request_id(localpart: str) -> str:
    """Return the id of a request to join, by who makes it."""
    return _REQUEST + urlsafe_b64encode(localpart.encode()).decode().rstrip("=")


def who_asks(request: str) -> str | None:
    """Return who asks by the id of the request; None for what is no such id."""
    text = request.removeprefix(_REQUEST)
    if text == request:
        return None
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:  # not base64, or no text
        return None
