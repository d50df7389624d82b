"""
Which handler a stanza of a bound stream goes to (RFC 6120 sections 8 and 10.3).

| stanza | to | goes to |
|---|---|---|
| message, presence | any | the handler of messages, of presence (RFC 6121) |
| IQ request | none, a bare JID of the domain | handlers of accounts, by payload |
| IQ request | the domain | handlers of the server, by payload |
| IQ | a full JID of the domain | that session, off the log |
| IQ result or error | anything else | whoever asked for the server, by its id (`questions`, `on_answer`); else nobody |
| any | a host below the domain | that host's handlers (module.Host) |
| IQ request | another domain | remote-server-not-found |

A request to a session passes the check of its payload first, where a module has one (`Modules.before_relay`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.base.errors import Refused
from raftline.machine.queries import Block, BlockBetween, Reachable, SessionRow
from raftline.xmpp.effects import Route, Steps, ask
from raftline.xmpp.element import Element
from raftline.xmpp.jid import JID, parse_jid
from raftline.xmpp.module import ANSWER_SEPARATOR
from raftline.xmpp.negotiation import SESSION_NAMESPACE
from raftline.xmpp.payloads import ROUTED, blocked_by_user, concerns_own_account
from raftline.xmpp.stanza import Stanza

if TYPE_CHECKING:
    from raftline.xmpp.module import Host, IqHandler, StreamContext


def handle_stanza(context: StreamContext, stanza: Stanza) -> Steps | None:
    """
    Return the handler at work on a stanza, or None when there is nothing to do.

    What the handler of an IQ request returns is the payload of the result.

    Raises:
        Refused: It earns an error reply.
    """
    modules = context.modules
    if stanza.to is not None and stanza.to.domain != context.domain:
        host = modules.host_at(stanza.to.domain, context.domain)
        if host is not None:
            return _handle_at_host(context, stanza, stanza.to, host)
    if stanza.kind == "message":
        handler = modules.message_handler
    elif stanza.kind == "presence":
        handler = modules.presence_handler
    else:
        return handle_iq(context, stanza)
    if handler is None:
        raise Refused("service-unavailable", "cancel")
    return handler(context, stanza)


def is_sender(sender: str, jid: JID) -> bool:
    """Whether a `from` that a client wrote is its own full or bare JID (RFC 6120 section 8.1.2.1)."""
    if sender == str(jid):
        return True
    try:
        return parse_jid(sender) in {jid, jid.bare}
    except ValueError:
        return False


def _handle_at_host(context: StreamContext, stanza: Stanza, to: JID, host: Host) -> Steps | None:
    """Return what a host makes of a stanza; answers that nobody waits for are dropped, as everywhere."""
    if stanza.kind == "message":
        handler = host.message_handler
    elif stanza.kind == "presence":
        handler = host.presence_handler
    elif stanza.type in {"result", "error"}:
        return None if host.answer_handler is None else host.answer_handler(context, stanza)
    else:
        payload = payload_of(stanza)
        target = "entity" if to.local else "host"
        handler = host.iq_handlers.get((target, stanza.type, payload.namespace, payload.name))
        if to.resource:
            handler = host.request_handler
        handler = handler or host.any_request_handler
    if handler is None:
        raise Refused("service-unavailable", "cancel")
    return _unless_host_blocked(context, stanza, handler) if stanza.kind == "iq" else handler(context, stanza)


def payload_of(stanza: Stanza) -> Element:
    """
    Return what an IQ request asks for.

    Raises:
        Refused: `bad-request` for one that is none (RFC 6120 section 8.2.3).
    """
    payloads = list(stanza.element.elements())
    if stanza.type not in {"get", "set"} or not stanza.id or len(payloads) != 1:
        raise Refused("bad-request", "modify", "An IQ request has an id, the type get or set, and one payload.")
    return payloads[0]


def handle_iq(context: StreamContext, stanza: Stanza) -> Steps | None:
    """Return what an IQ of this domain, or without an address, is handled by; as `handle_stanza`."""
    to = stanza.to
    if stanza.type in {"result", "error"}:
        if to is not None and to.domain == context.domain and to.local and to.resource:
            return _route(context, stanza, to)
        return None if to is not None and to.local else _take_answer(context, stanza)
    payload = payload_of(stanza)
    if to is not None and to.domain != context.domain:
        raise Refused("remote-server-not-found", "cancel")
    if to is not None and to.resource:
        if not to.local:
            raise Refused("service-unavailable", "cancel")
        check = _check_of(context, stanza, payload)
        return _route(context, stanza, to) if check is None else _checked(check, _route(context, stanza, to))
    target = "server" if to is not None and not to.local else "account"
    return _handle_payload(context, stanza, target, payload)


def _take_answer(context: StreamContext, stanza: Stanza) -> Steps | None:
    """Hand an answer to whoever asked: this stream for the server, or the cluster, whichever node did it."""
    taker = context.questions.pop(stanza.id, None)
    if taker is None:
        taker = context.modules.answer_handlers.get(stanza.id.partition(ANSWER_SEPARATOR)[0])
    return None if taker is None else taker(context, stanza)


def _check_of(context: StreamContext, stanza: Stanza, payload: Element) -> Steps | None:
    check = context.modules.relay_checks.get((payload.namespace, payload.name)) if stanza.type == "get" else None
    return None if check is None else check(context, stanza)


def _checked(check: Steps, route: Steps) -> Steps:
    yield from check
    return (yield from route)


def _handle_payload(context: StreamContext, stanza: Stanza, target: str, payload: Element) -> Steps:
    handler = context.modules.iq_handlers.get((target, stanza.type, payload.namespace, payload.name))
    if handler is not None:
        if target == "account" and not concerns_own_account(context, stanza):
            return _unless_blocked(context, stanza, handler)
        return handler(context, stanza)
    if payload.namespace == SESSION_NAMESPACE and stanza.type == "set":
        return _empty_result()
    raise Refused("service-unavailable", "cancel")


def _unless_blocked(context: StreamContext, stanza: Stanza, handler: IqHandler) -> Steps:
    """Answer for another account as it would itself, as far as block lists let through (XEP-0191 section 3.3)."""
    block = yield from ask(BlockBetween(str(context.jid), str(stanza.to)), Block)
    if block is Block.USER:
        raise blocked_by_user()
    if block is Block.CONTACT:
        raise Refused("service-unavailable", "cancel")
    return (yield from handler(context, stanza))


def _unless_host_blocked(context: StreamContext, stanza: Stanza, handler: IqHandler) -> Steps:
    """Ask a service, unless the user has blocked it; messages and presence to it are looked at in apply."""
    if (yield from ask(BlockBetween(str(context.jid), str(stanza.to)), Block)) is Block.USER:
        raise blocked_by_user()
    return (yield from handler(context, stanza))


def _empty_result() -> Steps:
    """Answer the session request of RFC 3921, which establishes nothing any more (RFC 6121 appendix E)."""
    yield from ()


def _route(context: StreamContext, stanza: Stanza, to: JID) -> Steps:
    """Hand an IQ to a session; the answer comes from there. Yields no result."""
    question = Reachable(to.local, to.resource, str(context.jid))
    sessions: list[SessionRow] | None = yield from ask(question, list)
    session = next((session for session in sessions or () if session.resource == to.resource), None)
    is_known = session is not None and (yield Route(session.session_id, stanza.stamped(context.jid, to)))
    if not is_known and stanza.type in {"get", "set"}:
        raise blocked_by_user() if sessions is None else Refused("service-unavailable", "cancel")
    return ROUTED
