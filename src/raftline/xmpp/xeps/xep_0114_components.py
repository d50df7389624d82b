"""
XEP-0114 Jabber Component Protocol: the users' side of external components, each a host below the domain.

Which labels there are is a setting; whether one is connected, and to which node, is replicated (machine/components). A
component's own stream is components/stream.py.

Messages go through the log and wait for a component that is away. Everything else goes to the connection off the log:
without one, requests are refused and presence is dropped. What is directed to somebody at a component is remembered by
the stream for a farewell, like any directed presence.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.machine.commands import ChangeSubscription
from raftline.machine.components.commands import SendToComponent
from raftline.machine.components.events import PresenceForComponent
from raftline.machine.components.queries import ComponentAt
from raftline.machine.message_commands import MessageKind
from raftline.machine.pubsub.bookmarks import PRIVATE_OPTIONS
from raftline.machine.pubsub.commands import Publish
from raftline.machine.pubsub.displayed import DISPLAYED_NODE
from raftline.machine.queries import Block, BlockBetween, SessionRow
from raftline.xmpp.effects import Ask, Route, Submit, ask
from raftline.xmpp.element import Element
from raftline.xmpp.messages import (
    DISPLAYED,
    NO_STORE,
    displayed_of,
    fingerprint_of,
    is_missed,
    kind_of,
    may_retract,
    prepare_message,
)
from raftline.xmpp.module import Declaration, Host
from raftline.xmpp.payloads import ROUTED, address_presence, blocked_by_user
from raftline.xmpp.presence import DIRECTED_PRESENCE_COUNT_MAX
from raftline.xmpp.retraction import find_retraction
from raftline.xmpp.stanza import CLIENT_NAMESPACE
from raftline.xmpp.subscriptions import SUBSCRIPTION_KINDS

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.jid import JID
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza

RESERVED_LABELS: Final = frozenset({"conference", "upload", "pubsub"})
"""Services of our own, whether they are there yet or not: no component may have their label."""


def register(modules: Modules, labels: Iterable[str]) -> None:
    """Declare the extension, and add a host for each component that is configured."""
    modules.declare(
        Declaration(
            number=114,
            title="Jabber Component Protocol",
            version="1.6",
            status="partial",
            note="Components connect to the server (`jabber:component:accept`), not the server to them; they talk to "
            "accounts and the server, not to rooms or one another.",
        )
    )
    modules.on_event(PresenceForComponent, render_presence)
    for label in labels:
        modules.add_host(
            Host(
                label,
                label,
                message_handler=handle_message,
                presence_handler=handle_presence,
                any_request_handler=handle_request,
                answer_handler=handle_answer,
                presence_route=route_presence,
            )
        )


def render_presence(_context: StreamContext, event: PresenceForComponent) -> bytes:
    """Write a user's presence for somebody at a component."""
    if event.stanza is not None:
        return address_presence(event.stanza, event.to_jid)
    attributes = {"from": event.from_jid, "to": event.to_jid, "type": event.kind}
    return Element("presence", CLIENT_NAMESPACE, attributes).to_bytes()


def handle_message(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Send a message to somebody at a component: by the log, or off it where it may not be kept.

    A groupchat message is content like any other: what is a room there is the component's affair.

    Raises:
        Refused: `service-unavailable` for what may not be kept while the component is away. What apply refuses comes
            as the outcome.
    """
    to = stanza.to
    assert to is not None, "dispatch looked at it"
    kind = kind_of(stanza)
    traits, origin_id, storage, message, timer_s = prepare_message(context, stanza, kind, to)
    if kind is MessageKind.GROUPCHAT and not traits & NO_STORE and is_missed(kind, traits):
        storage = 0
    displayed = displayed_of(stanza.element) if traits & DISPLAYED else b""
    if storage is None:
        if displayed:
            yield Submit(Publish(DISPLAYED_NODE, str(to), displayed, PRIVATE_OPTIONS))
        if not (yield from _route(context, to, message)) and is_missed(kind, traits):
            raise Refused("service-unavailable", "cancel", "The component is not connected.")
        return
    retraction = (yield from find_retraction(context, stanza, to)) if may_retract(kind, traits) else None
    yield Submit(
        SendToComponent(
            to=str(to.bare),
            to_resource=to.resource or None,
            kind=int(kind),
            storage=storage,
            stanza=message,
            origin_id=origin_id,
            fingerprint=fingerprint_of(message, origin_id),
            retraction=retraction,
            displayed=displayed,
            timer_s=timer_s,
        )
    )


def handle_presence(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Manage a subscription, or send directed presence (RFC 6121 sections 3, 4.6).

    Raises:
        Refused: `resource-constraint` for a stream that sent directed presence to too many. What apply refuses comes
            as the outcome.
    """
    to = stanza.to
    assert to is not None, "dispatch looked at it"
    if stanza.type in SUBSCRIPTION_KINDS:
        contact, user = to.bare, context.jid.bare
        kind = SUBSCRIPTION_KINDS[stanza.type]
        yield Submit(ChangeSubscription(kind, str(contact), stanza.stamped(user, contact)))
        return
    if stanza.type not in {"", "unavailable", "probe", "error"}:
        raise Refused("bad-request", "modify", "There is no such type of presence.")
    owed = context.directed_presence
    if stanza.type == "":
        if len(owed) >= DIRECTED_PRESENCE_COUNT_MAX and str(to) not in owed:
            raise Refused("resource-constraint", "wait", "This stream sent directed presence to too many.")
        owed.add(str(to))
    elif stanza.type == "unavailable":
        owed.discard(str(to))
    if not (yield from route_presence(context, to, stanza.stamped(context.jid, to))):
        owed.discard(str(to))
        raise blocked_by_user()


def route_presence(context: StreamContext, to: JID, presence: bytes) -> Steps:
    """Send presence to a component, off the log; return False if the user has blocked the address."""
    if (yield from _is_blocked(context, to)):
        return False
    session: SessionRow | None = yield Ask(ComponentAt(_label_of(to)))
    if session is not None:
        yield Route(session.session_id, presence)
    return True


def handle_request(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Hand an IQ request to the component, which answers it.

    Raises:
        Refused: `service-unavailable` while it is not connected.
    """
    to = stanza.to
    assert to is not None, "dispatch looked at it"
    if not (yield from _route(context, to, stanza.stamped(context.jid, to))):
        raise Refused("service-unavailable", "cancel", "The component is not connected.")
    return ROUTED


def handle_answer(context: StreamContext, stanza: Stanza) -> Steps:
    """Hand an IQ result or error to the component that asked; nobody waits for it while that is away."""
    to = stanza.to
    assert to is not None, "dispatch looked at it"
    session: SessionRow | None = yield Ask(ComponentAt(_label_of(to)))
    if session is not None:
        yield Route(session.session_id, stanza.stamped(context.jid, to))


def _route(context: StreamContext, to: JID, stanza: bytes) -> Steps:
    """Hand a stanza to the connection of a component off the log; return whether there is one."""
    if (yield from _is_blocked(context, to)):
        raise blocked_by_user()
    session: SessionRow | None = yield Ask(ComponentAt(_label_of(to)))
    return session is not None and (yield Route(session.session_id, stanza))


def _is_blocked(context: StreamContext, to: JID) -> Steps:
    """Whether the user has blocked the address (XEP-0191 section 3.3)."""
    return (yield from ask(BlockBetween(str(context.jid), str(to)), Block)) is Block.USER


def _label_of(to: JID) -> str:
    return to.domain.partition(".")[0]
