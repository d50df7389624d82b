"""
Settings that change while a node runs: certificates, limits, registration. SIGHUP or `POST /admin/v1/reload`.

All is read and checked by the rules of `raftline config check` before anything is touched; a fault anywhere leaves
everything as it was. A change of any other setting is refused as well, by name: it would seem to work and only take
effect with the next start, when nobody thinks of it any more.

Connections that are open keep what they began with. A peer certificate can be renewed only where it stays the pinned
one; another one is another identity, which all nodes must learn of first (`cluster.peers`), by a restart.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any, Final

import msgspec

from raftline.base.errors import ConfigError
from raftline.cluster.links import LinkContexts
from raftline.gateway.server import Gateway
from raftline.server.certificates import check_identity, client_facing_context, peer_contexts
from raftline.server.config import NodeSettings
from raftline.server.config_file import check_files
from raftline.server.http_server import HttpServer
from raftline.web.page import Page
from raftline.web.rate_limit import RateLimit
from raftline.xmpp.xeps.xep_0368_direct_tls import CLIENT_PROTOCOL

RELOADABLE: Final = frozenset({"tls", "limits", "registration"})
"""Tables of settings that take effect while the node runs."""

WEBSOCKET_MARGIN_BYTES: Final = 4_096
"""A stanza that is a little too large must reach the parser, which refuses it with the stream error of the RFC."""


class Reloader:
    """
    Applies settings that were read again.

    Args:
        settings: Those in effect.
        read: Reads file and environment again.
        peers: The contexts of the links, which stay the same objects.
        http_context: That of the HTTP listener, which stays the same object; None for plain HTTP.
    """

    def __init__(
        self,
        settings: NodeSettings,
        read: Callable[[], NodeSettings],
        *,
        gateway: Gateway,
        page: Page,
        http: HttpServer,
        http_context: ssl.SSLContext | None,
        peers: LinkContexts,
    ) -> None:
        self._settings = settings
        self._read = read
        self._gateway = gateway
        self._page = page
        self._http = http
        self._http_context = http_context
        self._peers = peers

    def reload(self) -> list[str]:
        """
        Read, check and apply.

        Returns: Names of the tables whose values changed; `tls` always, since files change under the same name.

        Raises:
            ConfigError: Something is wrong or cannot change while the node runs; everything is as before.
        """
        settings = self._read()
        check_files(settings)
        check_identity(settings)
        changed = _changed_tables(self._settings, settings)
        client = client_context(settings, protocol=CLIENT_PROTOCOL)
        peer_link_contexts(settings)
        tls, limits = settings.tls, settings.limits
        if self._http_context is not None:
            self._http_context.load_cert_chain(tls.certificate_file, tls.key_file)
        for context in (self._peers.server, self._peers.client):
            context.load_cert_chain(tls.peer_certificate_file, tls.peer_key_file)
            context.load_verify_locations(tls.peer_ca_file)
        registration = settings.registration
        self._gateway.reconfigure(
            tls_context=client, stanza_bytes_max=limits.stanza_bytes_max, open_registration=registration.open
        )
        self._http.limit_websockets(limits.stanza_bytes_max + WEBSOCKET_MARGIN_BYTES)
        self._page.registrations = RateLimit(registration.per_minute) if registration.open else None
        self._settings = settings
        return sorted({*changed, "tls"})


def _changed_tables(old: NodeSettings, new: NodeSettings) -> list[str]:
    """Return the tables that differ; raises ConfigError if one of them cannot change."""
    changed = [name for name in old.__struct_fields__ if getattr(old, name) != getattr(new, name)]
    for name in changed:
        if name not in RELOADABLE:
            path = _first_difference(name, getattr(old, name), getattr(new, name))
            raise ConfigError(path, "cannot change while the node runs: start it anew, or take the change back")
    return changed


def _first_difference(path: str, old: Any, new: Any) -> str:
    if isinstance(old, msgspec.Struct):
        for name in old.__struct_fields__:
            if getattr(old, name) != getattr(new, name):
                return _first_difference(f"{path}.{name}", getattr(old, name), getattr(new, name))
    return path


def client_context(settings: NodeSettings, *, protocol: str = "") -> ssl.SSLContext:
    """
    Make a context of the client-facing certificate; each listener sets its own up further.

    Raises:
        ConfigError: The files cannot be used.
    """
    try:
        return client_facing_context(settings.tls.certificate_file, settings.tls.key_file, protocol=protocol)
    except OSError as error:
        raise ConfigError("tls.certificate_file", f"it or its key cannot be used: {error}") from error


def peer_link_contexts(settings: NodeSettings) -> LinkContexts:
    """
    Make the contexts of the peer links.

    Raises:
        ConfigError: The files cannot be used.
    """
    tls = settings.tls
    try:
        accepting, dialling = peer_contexts(tls.peer_certificate_file, tls.peer_key_file, tls.peer_ca_file)
    except OSError as error:
        raise ConfigError("tls", f"the peer certificate, its key or its authority cannot be used: {error}") from error
    return LinkContexts(accepting, dialling)
