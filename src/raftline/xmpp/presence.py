"""
Presence (RFC 6121 section 4): broadcast, directed, and probes.

Broadcast presence is replicated: apply decides who sees it. Directed presence stays off the log: it is routed to the
sessions it is meant for, and the stream remembers whom it owes a farewell (section 4.6.3). That memory is the
stream's alone, so a farewell is lost when the node that holds the stream dies; whoever relies on more, such as a room,
joins through the log.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.timestamps import format_timestamp
from raftline.machine.business.contact import RESOURCE
from raftline.machine.business.queries import NumberPresence
from raftline.machine.commands import SetPresence
from raftline.machine.queries import (
    Block,
    BlockBetween,
    BlocklistOf,
    LastActivity,
    LastActivityOf,
    Reachable,
    SessionRow,
    SessionsOf,
    SubscriptionOf,
)
from raftline.xmpp.avatars import is_empty_update, with_photo
from raftline.xmpp.businesses import may_be_number
from raftline.xmpp.client_capabilities import capabilities_of
from raftline.xmpp.effects import Ask, Route, Submit, ask
from raftline.xmpp.element import Element
from raftline.xmpp.jid import JID, parse_jid
from raftline.xmpp.payloads import DELAY_NAMESPACE, address_presence, blocked_by_user, is_delay_of_ours
from raftline.xmpp.stanza import CLIENT_NAMESPACE, LANG, Stanza, parse_stanza
from raftline.xmpp.subscriptions import SUBSCRIPTION_KINDS, handle_subscription

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules, StreamContext

PRIORITY_MIN: Final = -128
PRIORITY_MAX: Final = 127
"""Bounds of a priority, both included (RFC 6121 section 4.7.2.3)."""

DIRECTED_PRESENCE_COUNT_MAX: Final = 1024
"""Entities a stream may owe a farewell; a person in a hundred rooms with their calls stays far below."""

_PRIORITY: Final = re.compile(r"[+-]?0*\d{1,3}", re.ASCII)


def register(modules: Modules) -> None:
    """Handle presence stanzas."""
    modules.presence_handler = handle_presence


def handle_presence(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Handle a presence stanza of a client.

    Raises:
        Refused: `bad-request` for a type or a priority that does not exist, and as the parts below say.
    """
    match stanza.type:
        case "" | "unavailable" if stanza.to is not None:
            yield from _handle_directed(context, stanza, stanza.to)
        case "":
            shown = _stamped(context, stanza, None)
            yield Submit(SetPresence(shown, priority_of(stanza.element), capabilities_of(stanza.element)))
        case "unavailable":
            yield Submit(SetPresence(_stamped(context, stanza, None), None))
            yield from farewells(context, stanza)
        case "subscribe" | "subscribed" | "unsubscribe" | "unsubscribed":
            yield from handle_subscription(context, stanza, SUBSCRIPTION_KINDS[stanza.type])
        case "probe":
            yield from handle_probe(context, stanza)
        case "error":
            return  # an answer to presence of ours; there is nobody left to tell
        case _:
            raise Refused("bad-request", "modify", "There is no such type of presence.")


def priority_of(presence: Element) -> int:
    """
    Read the priority of available presence; 0 when there is none.

    Raises:
        Refused: `bad-request` for more than one, or one that is no number from -128 to 127.

    Source: RFC 6121 section 4.7.2.3.
    """
    found = [child for child in presence.elements() if child.name == "priority" and child.namespace == CLIENT_NAMESPACE]
    if not found:
        return 0
    text = found[0].text.strip()
    if len(found) > 1 or not _PRIORITY.fullmatch(text) or not PRIORITY_MIN <= int(text) <= PRIORITY_MAX:
        raise Refused("bad-request", "modify", f"A priority is one number from {PRIORITY_MIN} to {PRIORITY_MAX}.")
    return int(text)


def _handle_directed(context: StreamContext, stanza: Stanza, to: JID) -> Steps:
    """Send directed presence off the log (RFC 6121 sections 4.6, 8.5.2.1.2, 8.5.3.1)."""
    if to.domain != context.domain:
        raise Refused("remote-server-not-found", "cancel")
    if not to.local:
        return  # the server itself takes no presence
    if stanza.type != "unavailable":
        owed = context.directed_presence
        if len(owed) >= DIRECTED_PRESENCE_COUNT_MAX and str(to) not in owed:
            raise Refused("resource-constraint", "wait", "This stream sent directed presence to too many.")
        owed.add(str(to))
    else:
        context.directed_presence.discard(str(to))
    if stanza.type == "unavailable":
        shown = _stamped(context, stanza, to)
    else:
        shown = yield from with_photo(context, _stamped(context, stanza, to))
    if not (yield from route_presence(context, to, shown)):
        context.directed_presence.discard(str(to))
        raise blocked_by_user()


def _stamped(context: StreamContext, stanza: Stanza, to: JID | None) -> bytes:
    """
    Write presence under the user's address, without what only the server may say (XEP-0203 section 5), and without what
    it writes anew (XEP-0398 section 4).
    """
    return stanza.stamped(context.jid, to, drop=partial(_is_dropped, context.domain))


def _is_dropped(domain: str, child: Element) -> bool:
    return is_delay_of_ours(domain, child) or is_empty_update(child)


def farewells(
    context: StreamContext, stanza: Stanza | None = None, *, concerned: Callable[[str], bool] | None = None
) -> Steps:
    """
    Tell everyone who was sent directed presence that it is over; forgets them.

    For unavailable presence of the client, for the end of its stream without one, and for who is blocked.

    Args:
        stanza: The client's own unavailable presence, whose words are passed on.
        concerned: Which JIDs, as text, are told; all by default.

    Source: RFC 6121 section 4.6.3.
    """
    owed = sorted(filter(concerned, context.directed_presence) if concerned else context.directed_presence)
    context.directed_presence.difference_update(owed)
    for text in owed:
        to = parse_jid(text)
        if stanza is not None:
            farewell = stanza.stamped(context.jid, to)
        else:
            attributes = {"from": str(context.jid), "to": text, "type": "unavailable"}
            farewell = Element("presence", CLIENT_NAMESPACE, attributes).to_bytes()
        yield from route_presence(context, to, farewell)


def route_presence(context: StreamContext, to: JID, presence: bytes) -> Steps:
    """Send presence to those sessions it is for; return False if the user has blocked the address."""
    if to.domain != context.domain:
        host = context.modules.host_at(to.domain, context.domain)
        if host is not None and host.presence_route is not None:
            return (yield from host.presence_route(context, to, presence))
        return True
    question = Reachable(to.local, to.resource or None, str(context.jid))
    sessions: list[SessionRow] | None = yield from ask(question, list)
    for session in sessions or ():
        if session.resource == to.resource if to.resource else session.priority is not None:
            yield Route(session.session_id, presence)
    return sessions is not None


def handle_probe(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Answer a client's own probe as the contact's server would (RFC 6121 section 4.3.2, XEP-0318).

    The server probes on a client's behalf, so that clients have no need to; some do all the same, to learn since when a
    contact is away. A contact that is not there is answered like one who does not share its presence, by its bare
    address, which tells nothing of resources.
    """
    if stanza.to is None:
        raise Refused("bad-request", "modify", "Whose presence? The probe names no contact.")
    if stanza.to.domain != context.domain:
        raise Refused("remote-server-not-found", "cancel")
    contact, user = stanza.to, context.jid.bare
    server_presence = context.modules.server_presence
    if server_presence is not None and not contact.local and not contact.resource:
        context.send(server_presence(context).to_bytes())
        return
    block = yield from ask(BlockBetween(str(context.jid), str(contact)), Block)
    if block is Block.USER:
        raise blocked_by_user()
    if block is Block.CONTACT:
        return  # XEP-0191 section 3.3: no answer at all
    seen = contact.bare == user or (yield from ask(SubscriptionOf(contact.local, str(user)), bool))
    if not seen:
        _answer(context, contact.bare, "unsubscribed")
        return
    sessions: list[SessionRow] = yield from ask(SessionsOf(contact.local), list)
    shown = [
        (session.resource, session.presence)
        for session in sessions
        if session.priority is not None and session.presence is not None
    ]
    number: bytes | None = None
    if may_be_number(contact.local):
        number = yield from ask(NumberPresence(contact.local), bytes)
    if number is not None:
        shown.append((RESOURCE, number))
    if not shown:
        last: LastActivity | None = yield Ask(LastActivityOf(contact.local))
        context.send(_last_presence(contact, user, last).to_bytes())
        return
    blocked: tuple[str, ...] = yield from ask(BlocklistOf(user.local), tuple)
    shown = [(resource, said) for resource, said in shown if f"{contact.bare}/{resource}" not in blocked]
    shown = [(resource, said) for resource, said in shown if contact.resource in {"", resource}]
    for _resource, said in shown:
        context.send(address_presence(said, str(user)))
    if not shown:
        _answer(context, contact, "unavailable")


def _last_presence(contact: JID, user: JID, last: LastActivity | None) -> Element:
    """Make the answer for a contact that is away: what it said as it left, and when that was (XEP-0318 section 3.1)."""
    attributes = {"from": str(contact), "to": str(user), "type": "unavailable"}
    if last is None or last.is_available:  # it was deleted, or came back, while we asked
        return Element("presence", CLIENT_NAMESPACE, attributes)
    source, children = str(contact.bare), []
    if last.stanza:
        said = parse_stanza(last.stanza).element
        source, children = said.get("from") or source, list(said.children)
        if LANG in said.attributes:
            attributes[LANG] = said.attributes[LANG]
    delay = Element("delay", DELAY_NAMESPACE, {"from": source, "stamp": format_timestamp(last.time_ms)})
    return Element("presence", CLIENT_NAMESPACE, attributes, [*children, delay])


def _answer(context: StreamContext, contact: JID, kind: str) -> None:
    attributes = {"from": str(contact), "to": str(context.jid.bare), "type": kind}
    context.send(Element("presence", CLIENT_NAMESPACE, attributes).to_bytes())
