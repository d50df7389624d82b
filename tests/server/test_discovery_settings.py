"""What an operator may have told by host-meta (XEP-0487)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raftline.base.errors import ConfigError
from raftline.server.config import NodeSettings
from raftline.server.config_file import build_settings
from raftline.server.discovery import published_hosts
from raftline.xmpp.xeps.xep_0487_host_meta_2 import TTL_S_MAX, PublishedHost
from server.settings_values import raw_settings

PIN = "4/mggdlVx8A3pvHAWW5sD+qJyMtUHgiRuPjVC48N0XQ="
HOST = {"name": "one.example.org", "ips": ["192.0.2.1", "2001:db8::1"]}


def build(discovery: dict[str, Any], **tables: Any) -> NodeSettings:
    return build_settings({**raw_settings(), "discovery": discovery, **tables}, Path("/srv"), {})


def test_nothing_is_published_by_default() -> None:
    """A file that replaces the DNS is an operator's decision."""
    assert published_hosts(build_settings(raw_settings(), Path("/srv"), {}).discovery) is None
    assert published_hosts(build({"ttl_s": 60}).discovery) is None


def test_what_is_named_is_published() -> None:
    """With defaults for what is left out."""
    told = published_hosts(build({"public_key_pins": [PIN], "hosts": [HOST]}).discovery)
    assert told is not None
    assert (told.ttl_s, told.public_key_pins) == (3_600, (PIN,))
    assert told.hosts == (PublishedHost("one.example.org", ("192.0.2.1", "2001:db8::1"), 0, 10, 50),)


@pytest.mark.parametrize(
    ("discovery", "path"),
    [
        ({"ttl_s": 0}, "discovery.ttl_s"),
        ({"ttl_s": TTL_S_MAX + 1}, "discovery.ttl_s"),
        ({"public_key_pins": ["short"]}, "discovery.public_key_pins[0]"),
        ({"hosts": [{**HOST, "ips": []}]}, "discovery.hosts[0].ips"),
        ({"hosts": [{**HOST, "ips": ["one.example.org"]}]}, "discovery.hosts[0].ips"),
        ({"hosts": [{**HOST, "direct_tls_port": 65_536}]}, "discovery.hosts[0].direct_tls_port"),
        ({"hosts": [{**HOST, "priority": -1}]}, "discovery.hosts[0].priority"),
        ({"hosts": [HOST, HOST]}, "discovery.hosts[1].name"),
        ({"hosts": [{**HOST, "quic_port": 1}]}, "discovery.hosts[0].quic_port"),
    ],
)
def test_nonsense_is_refused(discovery: dict[str, Any], path: str) -> None:
    """Each error names its key."""
    with pytest.raises(ConfigError) as refused:
        build(discovery)
    assert refused.value.path == path


def test_bounds() -> None:
    """The last value that is taken."""
    assert build({"ttl_s": TTL_S_MAX}).discovery.ttl_s == TTL_S_MAX
    assert build({"hosts": [{**HOST, "direct_tls_port": 65_535, "weight": 0}]}).discovery.hosts[0].weight == 0


def test_plain_text_is_not_published() -> None:
    """Clients may only use what TLS protects (section 2.2)."""
    with pytest.raises(ConfigError) as refused:
        build({"hosts": [HOST]}, plaintext={"allow": True})
    assert refused.value.path == "discovery.hosts"
