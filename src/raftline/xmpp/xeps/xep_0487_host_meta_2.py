"""
XEP-0487 Host Meta 2: all that a client needs to connect in one file, `/.well-known/host-meta.json`.

The file replaces the DNS for those who read it (section 2.2), so it is written only where an operator has named the
addresses of the hosts. A link to a host that was not named stays as XEP-0156 has it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

DIRECT_TLS_RELATION: Final = "urn:xmpp:alt-connections:tls"

TTL_S_MAX: Final = 604_800
"""A week: a wrong key in the file shuts clients out for as long (section 5)."""


class PublishedHost(NamedTuple):
    """
    A host of the service.

    Attributes:
        name: As it stands in URLs; the name that TLS asks for (SNI).
        ips: Addresses, at least one.
        direct_tls_port: Of XMPP with TLS from the first byte (XEP-0368); 0 for none.
        priority, weight: As in SRV records (RFC 2782): the lowest priority first, among equals by weight.
    """

    name: str
    ips: tuple[str, ...]
    direct_tls_port: int
    priority: int
    weight: int


class HostMeta2(NamedTuple):
    """
    What an operator publishes.

    Attributes:
        ttl_s: For so long the file may be kept.
        public_key_pins: SHA-256 digests of public keys to trust, in base64 (RFC 7469 section 2.4).
    """

    ttl_s: int
    public_key_pins: tuple[str, ...]
    hosts: tuple[PublishedHost, ...]


def register(modules: Modules) -> None:
    """Declare it; web/host_meta.py serves the file."""
    modules.declare(
        Declaration(
            number=487,
            title="Host Meta 2 - One Method To Rule Them All",
            version="0.1.0",
            note="Served where [discovery] names the hosts' addresses; QUIC, server links and ECH are not offered.",
        )
    )


def host_meta_2(published: HostMeta2, links: Iterable[tuple[str, dict[str, object]]]) -> dict[str, object]:
    """
    Return the file (section 2.1).

    Args:
        links: Those of XEP-0156, each with the name of its host.
    """
    hosts = {host.name: host for host in published.hosts}
    told = [{**link, **_where(hosts[name])} if name in hosts else link for name, link in links]
    direct = [
        {"rel": DIRECT_TLS_RELATION, "port": host.direct_tls_port, **_where(host)}
        for host in published.hosts
        if host.direct_tls_port
    ]
    about: dict[str, object] = {"ttl": published.ttl_s}
    if published.public_key_pins:
        about["public-key-pins-sha-256"] = list(published.public_key_pins)
    return {"xmpp": about, "links": [*told, *direct]}


def _where(host: PublishedHost) -> dict[str, object]:
    return {"priority": host.priority, "weight": host.weight, "sni": host.name, "ips": list(host.ips)}
