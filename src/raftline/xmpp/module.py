"""
What a protocol module is: a declaration of itself and handlers, registered by name and namespace.

Each file under xeps/ and each of the RFC 6121 modules beside this file offers `register(modules)`. The declarations
make service discovery, the table of XEPs and the DOAP file; the handlers are plain functions that return generators
of effects. Modules do not know one another; what several share lives in payloads.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from raftline.base.errors import LocalProtocolError
from raftline.base.ids import SessionId

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.element import Element
    from raftline.xmpp.jid import JID
    from raftline.xmpp.stanza import Stanza


@dataclass(frozen=True, slots=True)
class Declaration:
    """
    What a module says of itself.

    Attributes:
        number: Of the XEP.
        version: Of the XEP's text that is implemented.
        status: `complete` or `partial`, as in DOAP.
        features: Feature names for the server's service discovery.
        account_features: Feature names for service discovery of a user's bare JID.
        note: What is not done, or why; one sentence.
    """

    number: int
    title: str
    version: str
    status: str = "complete"
    features: tuple[str, ...] = ()
    account_features: tuple[str, ...] = ()
    note: str = ""


class StreamContext(Protocol):
    """A bound stream, as handlers see it."""

    @property
    def jid(self) -> JID:
        """The full JID that is bound."""

    @property
    def session_id(self) -> SessionId | None:
        """The session, once bound."""

    @property
    def domain(self) -> str:
        """The domain of this service."""

    @property
    def cluster_epoch(self) -> int:
        """First part of stanza ids (base/ids.py)."""

    @property
    def modules(self) -> Modules:
        """All modules of this service."""

    @property
    def directed_presence(self) -> set[str]:
        """JIDs that were sent directed presence and are due a farewell (RFC 6121 section 4.6.3)."""

    def send(self, stanza: bytes) -> None:
        """Write a stanza to the client, at once and in order; it counts for stream management."""

    def new_id(self) -> str:
        """Draw an id for a stanza of the server's own."""


IqHandler = Callable[["StreamContext", "Stanza"], "Steps"]
"""Returns (by `return`) the payload Element of the result, or None for an empty result; raises Refused for an error."""

StanzaHandler = Callable[["StreamContext", "Stanza"], "Steps"]
"""Handles a message or presence; raises Refused for an error reply."""

EventRenderer = Callable[["StreamContext", Any], "bytes | None"]
"""Turns an event into the stanza the client gets; None for none."""

DiscoItems = Callable[["StreamContext", "JID"], "list[Element]"]
"""Returns the `<item/>`s that a module adds to the server's for this user (XEP-0030 section 4.1)."""


StreamFeature = Callable[["Modules"], "Element"]
"""Makes a feature that an authenticated stream is offered (RFC 6120 section 4.3.2), once all modules are registered."""

DiscoNode = Callable[["Modules"], str]
"""Names a node under which the server's service discovery answers as for itself (XEP-0115 section 6.2)."""


@dataclass(slots=True)
class Host:
    """
    A service at a domain of its own below the service's, `label.DOMAIN`, such as rooms (dispatch.py).

    What it has no handler for is refused with `service-unavailable`.

    Attributes:
        name: For people, in service discovery.
        message_handler, presence_handler: For all stanzas of this kind to the host and to entities at it.
        request_handler: For IQ requests to full JIDs at it.
        answer_handler: For IQ results and errors.
        archive_of: Returns the archive (archives.Archive) of the entity that a stanza is for, if the user may read it;
            without it there are none.
    """

    label: str
    name: str
    message_handler: StanzaHandler | None = None
    presence_handler: StanzaHandler | None = None
    request_handler: StanzaHandler | None = None
    answer_handler: StanzaHandler | None = None
    archive_of: StanzaHandler | None = None
    iq_handlers: dict[tuple[str, str, str, str], IqHandler] = field(default_factory=dict)

    def on_iq(self, target: str, kind: str, namespace: str, name: str, handler: IqHandler) -> None:
        """
        Handle IQs of this payload.

        Args:
            target: `host` (addressed to the host itself) or `entity` (to a bare JID at it).
            kind: `get` or `set`.
        """
        key = (target, kind, namespace, name)
        if target not in {"host", "entity"} or kind not in {"get", "set"} or key in self.iq_handlers:
            raise LocalProtocolError(f"bad or doubled IQ handler: {key}")
        self.iq_handlers[key] = handler


@dataclass(slots=True)
class Modules:
    """The registry; filled once at start, read-only after."""

    declarations: list[Declaration] = field(default_factory=list)
    iq_handlers: dict[tuple[str, str, str, str], IqHandler] = field(default_factory=dict)
    message_handler: StanzaHandler | None = None
    presence_handler: StanzaHandler | None = None
    renderers: dict[type, EventRenderer] = field(default_factory=dict)
    disco_items: list[DiscoItems] = field(default_factory=list)
    disco_nodes: list[DiscoNode] = field(default_factory=list)
    stream_features: list[StreamFeature] = field(default_factory=list)
    hosts: dict[str, Host] = field(default_factory=dict)

    def add_host(self, host: Host) -> None:
        """Add a service below the domain; the server lists it in service discovery."""
        if host.label in self.hosts:
            raise LocalProtocolError(f"doubled host: {host.label}")
        self.hosts[host.label] = host

    def host_at(self, domain: str, service_domain: str) -> Host | None:
        """Return the service at `domain`, which lies below `service_domain`; None if there is none."""
        label, _, rest = domain.partition(".")
        return self.hosts.get(label) if rest == service_domain else None

    def declare(self, declaration: Declaration) -> None:
        """Add a declaration."""
        self.declarations.append(declaration)

    def on_iq(self, target: str, kind: str, namespace: str, name: str, handler: IqHandler) -> None:
        """
        Handle IQs of this payload.

        Args:
            target: `server` (addressed to the domain), `account` (to a bare JID of the domain, or without `to`, which
                means the user's own; the handler checks whose).
            kind: `get` or `set`.
        """
        key = (target, kind, namespace, name)
        if target not in {"server", "account"} or kind not in {"get", "set"} or key in self.iq_handlers:
            raise LocalProtocolError(f"bad or doubled IQ handler: {key}")
        self.iq_handlers[key] = handler

    def on_event(self, event_type: type, renderer: EventRenderer) -> None:
        """Render events of this type."""
        if event_type in self.renderers:
            raise LocalProtocolError(f"doubled renderer: {event_type.__name__}")
        self.renderers[event_type] = renderer
