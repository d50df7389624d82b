"""What clients are told of beyond this node: settings, in the terms of those who tell."""

from __future__ import annotations

from raftline.server.config import DiscoverySettings, TurnSettings
from raftline.server.config_file import read_secret
from raftline.xmpp.xeps.xep_0215_external_services import ExternalService, ExternalServices
from raftline.xmpp.xeps.xep_0487_host_meta_2 import HostMeta2, PublishedHost


def published_hosts(discovery: DiscoverySettings) -> HostMeta2 | None:
    """Return what host-meta tells of the hosts (XEP-0487); None for nothing."""
    if not discovery.hosts:
        return None
    hosts = tuple(
        PublishedHost(host.name, host.ips, host.direct_tls_port, host.priority, host.weight) for host in discovery.hosts
    )
    return HostMeta2(discovery.ttl_s, discovery.public_key_pins, hosts)


def external_services(turn: TurnSettings) -> ExternalServices | None:
    """
    Return the servers that help calls (XEP-0215); None for none.

    Raises:
        ConfigError: The secret cannot be read.
    """
    if not turn.services:
        return None
    secret = b"" if turn.secret_file is None else read_secret("turn.secret_file", turn.secret_file).encode()
    services = tuple(ExternalService(item.type, item.host, item.port, item.transport) for item in turn.services)
    return ExternalServices(services, secret, turn.ttl_s)
