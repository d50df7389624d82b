"""
What a protocol module is: a declaration of itself and handlers, registered by name and namespace.

Each file under xeps/ and each of the RFC 6121 modules beside this file offers `register(modules)`. The declarations
make service discovery, the table of XEPs and the DOAP file; the handlers are plain functions that return generators
of effects. Modules do not know one another; what several share lives in payloads.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from raftline.base.errors import LocalProtocolError
from raftline.base.ids import Epochs, SessionId

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
    def epochs(self) -> Epochs:
        """First part of stanza ids (base/ids.py)."""

    @property
    def modules(self) -> Modules:
        """All modules of this service."""

    @property
    def command_sessions(self) -> dict[str, str]:
        """Ad-hoc commands that were begun and are not done (XEP-0050): the command's node by session id."""

    @property
    def directed_presence(self) -> set[str]:
        """JIDs that were sent directed presence and are due a farewell (RFC 6121 section 4.6.3)."""

    @property
    def questions(self) -> dict[str, StanzaHandler]:
        """IQ requests of the server's own that the client has not answered: who takes the answer, by id."""

    def send(self, stanza: bytes) -> None:
        """Write a stanza to the client, at once and in order; it counts for stream management."""

    def new_id(self) -> str:
        """Draw an id for a stanza of the server's own."""


ANSWER_SEPARATOR: Final = "/"
"""Ends the part of an id that names who takes the answer (`Modules.on_answer`)."""

IqHandler = Callable[["StreamContext", "Stanza"], "Steps"]
"""Returns (by `return`) the payload Element of the result, or None for an empty result; raises Refused for an error."""

StanzaHandler = Callable[["StreamContext", "Stanza"], "Steps"]
"""Handles a message or presence; raises Refused for an error reply."""

RelayCheck = Callable[["StreamContext", "Stanza"], "Steps"]
"""Returns when a request to another client may be passed on to it; raises Refused when it may not."""

PresenceRoute = Callable[["StreamContext", "JID", bytes], "Steps"]
"""Sends presence, as it is written, off the log; returns False if the user has blocked the address."""

EventRenderer = Callable[["StreamContext", Any], "bytes | None"]
"""Turns an event into the stanza the client gets; None for none."""

DiscoItems = Callable[["StreamContext", "JID"], "list[Element]"]
"""Returns the `<item/>`s that a module adds to the server's for this user (XEP-0030 section 4.1)."""


StreamFeature = Callable[["Modules"], "Element"]
"""Makes a feature that an authenticated stream is offered (RFC 6120 section 4.3.2), once all modules are registered."""

InfoNode = Callable[["StreamContext", str], "Element | None"]
"""Answers service discovery for a node of the server (XEP-0030 section 3.2); None for a node of somebody else."""

ItemNode = Callable[["StreamContext", str], "list[Element] | None"]
"""Returns the `<item/>`s of a node of the server (XEP-0030 section 4.2); None for a node of somebody else."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """
    What came of an ad-hoc command.

    Attributes:
        form: Of type `result`; None for nothing to show.
        failures: A sentence for each part that failed.
    """

    form: Element | None = None
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """
    An ad-hoc command of the server (XEP-0050).

    Attributes:
        node, name: What it is called on the wire, and for people.
        is_allowed: Whether this user may see and execute it.
        run: Executes it with the submitted fields, by name; returns a CommandResult, or raises Refused.
        form: What is to be filled in first; None for a command that needs nothing.
        form_type: FORM_TYPE of what is submitted; empty where none is demanded.
    """

    node: str
    name: str
    is_allowed: Callable[[StreamContext], bool]
    run: Callable[[StreamContext, dict[str, list[str]]], Steps]
    form: Element | None = None
    form_type: str = ""


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
        any_request_handler: For all IQ requests, to whomever at it, that no other handler is for.
        presence_route: Takes directed presence off the log, farewells too; returns False when the user has blocked it.
        answer_handler: For IQ results and errors.
        archive_of: Returns the archive (archives.Archive) of the entity that a stanza is for, if the user may read it;
            without it there are none.
    """

    label: str
    name: str
    message_handler: StanzaHandler | None = None
    presence_handler: StanzaHandler | None = None
    request_handler: StanzaHandler | None = None
    any_request_handler: StanzaHandler | None = None
    presence_route: PresenceRoute | None = None
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
    """
    The registry; filled once at start, read-only after.

    Attributes:
        account_identities: Category and type of what an account is beside an account (XEP-0030 section 3.1).
        account_node_info: Answers service discovery for a node of an account.
        account_items: Answers what nodes an account has, or what items a node of it; asked for accounts whose presence
            the user may see, and for nodes of any.
    """

    declarations: list[Declaration] = field(default_factory=list)
    extensions: list[str] = field(default_factory=list)
    """Features of extensions of our own, which no XEP describes: announced on accounts and by rooms."""
    iq_handlers: dict[tuple[str, str, str, str], IqHandler] = field(default_factory=dict)
    relay_checks: dict[tuple[str, str], RelayCheck] = field(default_factory=dict)
    info_nodes: list[InfoNode] = field(default_factory=list)
    item_nodes: list[ItemNode] = field(default_factory=list)
    commands: dict[str, Command] = field(default_factory=dict)
    """Ad-hoc commands of the server, by node (XEP-0050)."""
    answer_handlers: dict[str, StanzaHandler] = field(default_factory=dict)
    """Who takes answers to what the cluster asks, by the head of the request's id."""
    message_handler: StanzaHandler | None = None
    presence_handler: StanzaHandler | None = None
    server_presence: Callable[[StreamContext], Element] | None = None
    """Makes the presence that a probe of the server itself is answered by (XEP-0318)."""
    renderers: dict[type, EventRenderer] = field(default_factory=dict)
    disco_items: list[DiscoItems] = field(default_factory=list)
    disco_nodes: list[DiscoNode] = field(default_factory=list)
    disco_forms: list[Element] = field(default_factory=list)
    """Forms that the server's service discovery answers with (XEP-0128)."""
    stream_features: list[StreamFeature] = field(default_factory=list)
    account_identities: list[tuple[str, str]] = field(default_factory=list)
    account_node_info: IqHandler | None = None
    account_items: IqHandler | None = None
    hosts: dict[str, Host] = field(default_factory=dict)
    page_url: str = ""
    """Where browsers reach this node by HTTPS; empty for nowhere."""
    administrators: frozenset[str] = frozenset()
    """Bare JIDs of those who administer the service."""
    users_register: bool = True
    """Who is invited by a user may open an account."""

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

    def before_relay(self, namespace: str, name: str, check: RelayCheck) -> None:
        """Check IQ gets of this payload that go to a full JID, which are else passed on to whoever is not blocked."""
        if (namespace, name) in self.relay_checks:
            raise LocalProtocolError(f"doubled check: {namespace} {name}")
        self.relay_checks[namespace, name] = check

    def on_answer(self, head: str, handler: StanzaHandler) -> None:
        """
        Take IQ results and errors to the domain under ids that begin with `head` and the separator.

        For requests of the cluster's own, which any node may have sent and whose answer any node may get.
        """
        if ANSWER_SEPARATOR in head or head in self.answer_handlers:
            raise LocalProtocolError(f"bad or doubled answer handler: {head}")
        self.answer_handlers[head] = handler

    def on_event(self, event_type: type, renderer: EventRenderer) -> None:
        """Render events of this type."""
        if event_type in self.renderers:
            raise LocalProtocolError(f"doubled renderer: {event_type.__name__}")
        self.renderers[event_type] = renderer
