"""
XEP-0357 Push Notifications: clients name the services through which they are told of messages while they are away.

When a device is owed a notification, apply decides (machine/push/alerts.py); node/publisher.py publishes. Here clients
enable and disable, and services answer: an answer arrives on the stream of the service, at any node, and becomes a
command, so that it counts whoever published, and whoever leads by then.

Where services may be: a client of this domain, by its full JID. Other domains are out of reach while there is no way to
other servers (RFC 6120 section 8.3.3.16 has the error for that).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.base.errors import Refused
from raftline.machine.push.commands import AnswerNotification, DisablePush, EnablePush
from raftline.xmpp.effects import Submit
from raftline.xmpp.jid import JID, parse_jid
from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import FORM_NAMESPACE, parse_form, propose_or_refuse, require_own
from raftline.xmpp.push import ANSWER_HEAD, OPTIONS_FORM, PUSH_NAMESPACE, read_request_id

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.element import Element
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza


def register(modules: Modules) -> None:
    """Handle requests of clients and answers of services."""
    modules.declare(
        Declaration(number=357, title="Push Notifications", version="0.4.1", account_features=(PUSH_NAMESPACE,))
    )
    modules.on_iq("account", "set", PUSH_NAMESPACE, "enable", handle_enable)
    modules.on_iq("account", "set", PUSH_NAMESPACE, "disable", handle_disable)
    modules.on_answer(ANSWER_HEAD, handle_answer)


def handle_enable(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Enable a node of a service for the device of this session (section 5).

    Raises:
        Refused: `forbidden` for another account, `bad-request` without a service or with other than one form of publish
            options, `jid-malformed`, `remote-server-not-found` for a service of another domain, `service-unavailable`
            for an address where no service can be; from apply: `not-acceptable` for what is too large,
            `resource-constraint` for too many.
    """
    require_own(context, stanza)
    enable = stanza.element.child("enable", PUSH_NAMESPACE)
    assert enable is not None, "dispatch found the payload by this name"
    service = _service_of(enable)
    _require_reachable(context, service)
    forms = [child for child in enable.elements() if (child.namespace, child.name) == (FORM_NAMESPACE, "x")]
    if len(forms) > 1:
        raise Refused("bad-request", "modify", "There is one form of publish options.")
    parse_form(enable, OPTIONS_FORM)
    options = forms[0].to_bytes("") if forms else b""
    yield from propose_or_refuse(EnablePush(str(service), enable.get("node") or "", options))


def handle_disable(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Disable a node of a service, or all of them (section 6); what was not enabled is as good as disabled.

    Raises:
        Refused: `forbidden` for another account, `bad-request` without a service, `jid-malformed`.
    """
    require_own(context, stanza)
    disable = stanza.element.child("disable", PUSH_NAMESPACE)
    assert disable is not None, "dispatch found the payload by this name"
    yield from propose_or_refuse(DisablePush(str(_service_of(disable)), disable.get("node")))


def handle_answer(context: StreamContext, stanza: Stanza) -> Steps:
    """Take what a service answered (section 7.1). That it is the service which was asked, apply checks."""
    name = read_request_id(stanza.id)
    if name is None:
        return
    error_type = ""
    if stanza.type == "error":
        error = stanza.element.child("error", stanza.element.namespace)
        error_type = (None if error is None else error.get("type")) or "cancel"
    yield Submit(AnswerNotification(str(context.jid), name.position, name.registration_id, error_type))


def _service_of(request: Element) -> JID:
    text = request.get("jid")
    if not text:
        raise Refused("bad-request", "modify", "The request names no push service.")
    try:
        return parse_jid(text)
    except ValueError as error:
        raise Refused("jid-malformed", "modify", f"The service's address: {error}") from error


def _require_reachable(context: StreamContext, service: JID) -> None:
    """Return when a service can be at an address."""
    if service.domain != context.domain and not service.domain.endswith(f".{context.domain}"):
        raise Refused("remote-server-not-found", "cancel", f"There is no way to {service.domain} from here.")
    host = context.modules.host_at(service.domain, context.domain)
    is_at_component = host is not None and host.any_request_handler is not None
    if not is_at_component and not (service.domain == context.domain and service.local and service.resource):
        raise Refused("service-unavailable", "cancel", "There is no push service at this address.")
