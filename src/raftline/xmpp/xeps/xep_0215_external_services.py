"""
XEP-0215 External Service Discovery: where STUN and TURN servers are, with credentials that are good for a while.

Credentials follow the scheme that TURN servers share with whoever sends them clients (draft-uberti-behave-turn-rest, in
coturn `use-auth-secret`): the user name is the second at which they expire and the account's name, the password its
HMAC under a secret that both servers know. Nothing is kept and nothing is asked of the TURN server.

The account's name is in there so that a TURN server's log and quotas tell people apart; it is what the TURN server sees
of them anyway. Pushes are not sent: credentials say when they expire, and a client asks again.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from raftline.base.errors import Refused
from raftline.base.timestamps import format_timestamp
from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza

SERVICES_NAMESPACE: Final = "urn:xmpp:extdisco:2"


class ExternalService(NamedTuple):
    """
    A server beside this one.

    Attributes:
        kind: `stun`, `stuns`, `turn` or `turns`.
        transport: `udp` or `tcp`.
    """

    kind: str
    host: str
    port: int
    transport: str

    @property
    def is_restricted(self) -> bool:
        """Whether it asks for credentials: relaying costs, an answer of STUN does not."""
        return self.kind.startswith("turn")


class ExternalServices(NamedTuple):
    """
    What an operator offers.

    Attributes:
        secret: Shared with the TURN servers; empty where there is none.
        ttl_s: For so long credentials are good.
    """

    services: tuple[ExternalService, ...]
    secret: bytes
    ttl_s: int


class Credentials(NamedTuple):
    """For one account and a while."""

    username: str
    password: str
    expires_ms: int


def turn_credentials(secret: bytes, localpart: str, *, now_ms: int, ttl_s: int) -> Credentials:
    """
    Make credentials that a TURN server with the same secret takes until they expire.

    Source: draft-uberti-behave-turn-rest section 2.2.
    """
    expires_s = now_ms // 1000 + ttl_s
    username = f"{expires_s}:{localpart}"
    digest = hmac.digest(secret, username.encode(), "sha1")
    return Credentials(username, base64.b64encode(digest).decode(), expires_s * 1000)


def register(modules: Modules, offered: ExternalServices, wall_clock_ms: Callable[[], int]) -> None:
    """
    Answer for the server.

    Args:
        wall_clock_ms: Tells milliseconds since 1970; handed in, as nothing here reads a clock.
    """

    def describe(services: Iterable[ExternalService], localpart: str, *, is_full: bool) -> list[Element | str]:
        credentials = turn_credentials(offered.secret, localpart, now_ms=wall_clock_ms(), ttl_s=offered.ttl_s)
        return [_service_element(service, credentials, is_full=is_full) for service in services]

    def handle_services(context: StreamContext, stanza: Stanza) -> Steps:
        """Return all services, or those of one type (sections 3.1 and 3.2)."""
        yield from ()  # a handler that asks for nothing
        asked = stanza.element.child("services", SERVICES_NAMESPACE)
        kind = None if asked is None else asked.get("type")
        found = [service for service in offered.services if kind in {None, service.kind}]
        attributes = {} if kind is None else {"type": kind}
        return Element("services", SERVICES_NAMESPACE, attributes, describe(found, context.jid.local, is_full=True))

    def handle_credentials(context: StreamContext, stanza: Stanza) -> Steps:
        """
        Return credentials for the services that are named (section 3.3).

        Raises:
            Refused: `bad-request` without host and type of one service; `item-not-found` for one that is not offered
                or needs none.
        """
        yield from ()  # a handler that asks for nothing
        asked = stanza.element.child("credentials", SERVICES_NAMESPACE)
        wanted = [] if asked is None else list(asked.elements())
        if len(wanted) != 1 or wanted[0].name != "service" or not (wanted[0].get("host") and wanted[0].get("type")):
            raise Refused("bad-request", "modify", "Name one service by host and type.")
        found = [service for service in offered.services if service.is_restricted and _is_named(wanted[0], service)]
        if not found:
            raise Refused("item-not-found", "cancel", "No such service asks for credentials here.")
        return Element("credentials", SERVICES_NAMESPACE, {}, describe(found, context.jid.local, is_full=False))

    modules.declare(
        Declaration(
            number=215,
            title="External Service Discovery",
            version="1.0.0",
            features=(SERVICES_NAMESPACE,),
            note="Updates are not pushed, which is optional: credentials say when they expire.",
        )
    )
    modules.on_iq("server", "get", SERVICES_NAMESPACE, "services", handle_services)
    modules.on_iq("server", "get", SERVICES_NAMESPACE, "credentials", handle_credentials)


def _is_named(wanted: Element, service: ExternalService) -> bool:
    return (
        (wanted.get("host"), wanted.get("type")) == (service.host, service.kind)
        and wanted.get("port") in {None, str(service.port)}
        and wanted.get("transport") in {None, service.transport}
    )


def _service_element(service: ExternalService, credentials: Credentials, *, is_full: bool) -> Element:
    """Describe a service; in an answer to a request for credentials it needs no more than to be known again."""
    attributes = {"host": service.host, "type": service.kind, "port": str(service.port)}
    if is_full:
        attributes["transport"] = service.transport
    if service.is_restricted:
        if is_full:
            attributes["restricted"] = "true"
        attributes |= {
            "username": credentials.username,
            "password": credentials.password,
            "expires": format_timestamp(credentials.expires_ms),
        }
    return Element("service", SERVICES_NAMESPACE, attributes)
