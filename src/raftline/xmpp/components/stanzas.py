"""
What a component sends, and where it goes.

| stanza | to | goes to |
|---|---|---|
| message | an account | the log, as from any other address; off the log what is not kept (xmpp/messages.py) |
| presence, its subscriptions | an account | its sessions off the log; the log |
| presence probe | an account | answered here, as far as rosters allow |
| IQ request | a full JID | that session, off the log |
| IQ request | the server, an account | answered here, where a stranger may ask it (below) |
| IQ result or error | a full JID | that session, off the log |
| IQ result or error | the server | whoever of the cluster asked, such as push notifications (`Modules.on_answer`) |
| any | another service or component | service-unavailable |
| any | another domain | remote-server-not-found |

Requests to the server and to accounts are answered by the handlers that clients have, but only those which take the
sender for what it is, a stranger of another domain: many know users by the local part alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.machine.components.commands import ChangeSubscriptionFromComponent, SendFromComponent
from raftline.machine.message_commands import MessageKind
from raftline.xmpp.avatars import VCARD_NAMESPACE
from raftline.xmpp.capabilities import INFO_NAMESPACE, ITEMS_NAMESPACE
from raftline.xmpp.components.context import ComponentContext
from raftline.xmpp.dispatch import handle_iq, payload_of
from raftline.xmpp.effects import Submit
from raftline.xmpp.jid import JID
from raftline.xmpp.messages import fingerprint_of, is_missed, kind_of, may_retract, prepare_message, send_off_log
from raftline.xmpp.presence import handle_probe, route_presence
from raftline.xmpp.pubsub.vocabulary import PUBSUB_NAMESPACE
from raftline.xmpp.retraction import find_retraction
from raftline.xmpp.subscriptions import SUBSCRIPTION_KINDS
from raftline.xmpp.xeps.xep_0092_version import VERSION_NAMESPACE
from raftline.xmpp.xeps.xep_0199_ping import PING_NAMESPACE
from raftline.xmpp.xeps.xep_0202_time import TIME_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.stanza import Stanza

_FOR_STRANGERS: Final = frozenset(
    {
        ("server", INFO_NAMESPACE, "query"),
        ("server", ITEMS_NAMESPACE, "query"),
        ("server", PING_NAMESPACE, "ping"),
        ("server", TIME_NAMESPACE, "time"),
        ("server", VERSION_NAMESPACE, "query"),
        ("account", INFO_NAMESPACE, "query"),
        ("account", ITEMS_NAMESPACE, "query"),
        ("account", PUBSUB_NAMESPACE, "pubsub"),
        ("account", VCARD_NAMESPACE, "vCard"),
    }
)
"""IQ gets, by whom they are to and their payload."""


def handle_from_component(context: ComponentContext, stanza: Stanza, to: JID) -> Steps | None:
    """
    Return the handler at work on a component's stanza, as `dispatch.handle_stanza` does for a client's.

    Raises:
        Refused: It earns an error reply.
    """
    if to.domain != context.domain:
        if stanza.kind == "iq" and stanza.type in {"result", "error"}:
            return None
        if to.domain == context.host or context.modules.host_at(to.domain, context.domain) is not None:
            raise Refused("service-unavailable", "cancel", "Components talk to accounts and to the server.")
        raise Refused("remote-server-not-found", "cancel")
    if stanza.kind == "message":
        return _handle_message(context, stanza, to)
    if stanza.kind == "presence":
        return _handle_presence(context, stanza, to)
    return _handle_iq(context, stanza, to)


def _handle_message(context: ComponentContext, stanza: Stanza, to: JID) -> Steps:
    kind = kind_of(stanza)
    if kind is MessageKind.ERROR and not to.resource:
        return  # RFC 6121 section 8.5.2.1.1: an error to a bare address is dropped
    if not to.local:
        raise Refused("service-unavailable", "cancel", "The server takes no messages.")
    traits, origin_id, storage, message, timer_s = prepare_message(context, stanza, kind, to)
    if storage is None:
        yield from send_off_log(context, kind, to, message, bounced=is_missed(kind, traits))
        return
    retraction = (yield from find_retraction(context, stanza, to)) if may_retract(kind, traits) else None
    sender = context.jid
    yield Submit(
        SendFromComponent(
            sender=str(sender.bare),
            sender_resource=sender.resource,
            to_localpart=to.local,
            to_resource=to.resource or None,
            kind=int(kind),
            storage=storage,
            stanza=message,
            origin_id=origin_id,
            fingerprint=fingerprint_of(message, origin_id),
            retraction=retraction,
            timer_s=timer_s,
        )
    )


def _handle_presence(context: ComponentContext, stanza: Stanza, to: JID) -> Steps:
    """Pass presence on (RFC 6121 sections 3, 4.3.2, 4.6)."""
    sender = context.jid
    if stanza.type in SUBSCRIPTION_KINDS:
        if not to.local:
            raise Refused("service-unavailable", "cancel", "The server has no presence.")
        contact, user = sender.bare, to.bare
        kind = int(SUBSCRIPTION_KINDS[stanza.type])
        yield Submit(ChangeSubscriptionFromComponent(kind, str(contact), to.local, stanza.stamped(contact, user)))
    elif stanza.type == "probe":
        if to.local:
            yield from handle_probe(context, stanza)
    elif stanza.type in {"", "unavailable", "error"}:
        if to.local:
            yield from route_presence(context, to, stanza.stamped(sender, to))
    else:
        raise Refused("bad-request", "modify", "There is no such type of presence.")


def _handle_iq(context: ComponentContext, stanza: Stanza, to: JID) -> Steps | None:
    if stanza.type in {"result", "error"}:
        return handle_iq(context, stanza)
    payload = payload_of(stanza)
    if not to.resource:
        target = "account" if to.local else "server"
        if stanza.type != "get" or (target, payload.namespace, payload.name) not in _FOR_STRANGERS:
            raise Refused("service-unavailable", "cancel")
    return handle_iq(context, stanza)
