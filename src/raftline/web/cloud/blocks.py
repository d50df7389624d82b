"""
Whom a number has blocked: the block list of its account (XEP-0191), so its devices see the same list.

    POST   /P/block_users  {"messaging_product", "block_users": [{"user"} or {"user_id"}]} → added, failed
    DELETE /P/block_users  the same → removed, failed
    GET    /P/block_users  {"data": [{"messaging_product", "input", "wa_id"?, "user_id"}], "paging"}

Who can be blocked is, even if others of the request cannot: these are told of in `failed_users`, and by an `errors`
beside. Unblocking somebody who is not blocked does no harm. The list shows people of this service alone: a device may
have blocked domains and strangers as well, which programs have no name for.
"""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec
from starlette.responses import Response

from raftline.base.cloud_limits import CLOUD_BLOCK_COUNT_MAX
from raftline.base.errors import Refused
from raftline.machine.business.queries import IdentityOf
from raftline.machine.business.values import Identity
from raftline.machine.commands import ActForNumber, ChangeBlocklist
from raftline.machine.queries import BlocklistOf
from raftline.web.cloud.access import MESSAGING
from raftline.web.cloud.addressing import Person, find_identity, person_of
from raftline.web.cloud.bodies import require_product
from raftline.web.cloud.call import Call, Endpoint, Subject
from raftline.web.cloud.errors import Code, GraphError, graph_reply, missing, wrong
from raftline.web.cloud.paging import listed, page_of
from raftline.web.replies import require_done


class Named(msgspec.Struct, frozen=True):
    """One of the people, by either name."""

    user: str | int | None = None
    user_id: str | None = None


class BlockBody(msgspec.Struct, frozen=True):
    """Whom to block, or no longer."""

    block_users: list[Named]
    messaging_product: str | None = None


async def block(call: Call) -> Response:
    """Block people."""
    return await _change(call, "added_users", is_blocked=True)


async def unblock(call: Call) -> Response:
    """Block people no longer."""
    return await _change(call, "removed_users", is_blocked=False)


async def list_blocked(call: Call) -> Response:
    """List who is blocked, a page at a time."""
    node, suffix = call.node, f"@{call.node.domain}"
    await node.barrier()
    addresses = cast("tuple[str, ...]", await node.ask(BlocklistOf(call.number.number.localpart)))
    own = [address for address in addresses if address.endswith(suffix)]
    shown, paging = page_of(call, own, key=str)
    people = [cast("Identity | None", await node.ask(IdentityOf(address.removesuffix(suffix)))) for address in shown]
    # Whoever has gone meanwhile is still on the list and has no name any more.
    data = [_shown(person_of(identity)) for identity in people if identity is not None]
    return graph_reply(listed(data, paging))


def _shown(person: Person) -> dict[str, str]:
    return {"messaging_product": "whatsapp", **person.as_contact(person.wa_id or person.user_id)}


async def _change(call: Call, done_name: str, *, is_blocked: bool) -> Response:
    body = await call.json(BlockBody)
    require_product(body.messaging_product)
    if not body.block_users:
        raise missing("block_users")
    if len(body.block_users) > CLOUD_BLOCK_COUNT_MAX:
        raise wrong("block_users", f"has more than {CLOUD_BLOCK_COUNT_MAX} entries")
    found: list[tuple[str, Person]] = []
    failed: list[dict[str, Any]] = []
    for named in body.block_users:
        written = str(named.user or named.user_id or "")
        try:
            found.append((written, await _find(call, written)))
        except GraphError as error:
            failed.append({"input": written, "errors": [error.as_json()]})
    if found:
        await _execute(call, [person for _, person in found], is_blocked=is_blocked)
    people: dict[str, Any] = {done_name: [person.as_contact(written) for written, person in found]}
    answer: dict[str, Any] = {"messaging_product": "whatsapp", "block_users": people}
    if failed:
        people["failed_users"] = failed
        answer["errors"] = GraphError(Code.BLOCK_FAILED, f"{len(failed)} of the people were left out.").as_json()
    return graph_reply(answer)


async def _find(call: Call, written: str) -> Person:
    if not written:
        raise missing("user")
    identity = await find_identity(call.node, written)
    if identity is None:
        raise GraphError(Code.UNDELIVERABLE, f"{written[:100]!r} is nobody here.")
    if identity.localpart == call.number.number.localpart:
        raise GraphError(Code.RECIPIENT_IS_SENDER, "A number cannot block itself.")
    return person_of(identity)


async def _execute(call: Call, people: list[Person], *, is_blocked: bool) -> None:
    addresses = tuple(sorted({f"{person.localpart}@{call.node.domain}" for person in people}))
    action = ActForNumber(call.number.number.localpart, ChangeBlocklist(is_blocked, addresses))
    try:
        require_done(await call.node.execute(action, key=call.edge.entropy(16)))
    except Refused as refused:
        if refused.condition != "resource-constraint":
            raise
        raise GraphError(Code.BLOCK_LIMIT, refused.text) from None


ENDPOINTS: Final = (
    Endpoint("POST", Subject.NUMBER, ("block_users",), block, MESSAGING),
    Endpoint("DELETE", Subject.NUMBER, ("block_users",), unblock, MESSAGING),
    Endpoint("GET", Subject.NUMBER, ("block_users",), list_blocked, MESSAGING),
)
"""What this file serves."""
