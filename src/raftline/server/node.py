"""
One node, composed: the only place that knows every floor, the real clock and real chance.

    data lock (node_process.py)
      └─ database ─ log (told what the database has applied) ─ driver ─ node door
           └─ HTTP listens: health and state can be seen, all else gets 503
                └─ this node's start is applied on a majority
                     └─ gateway listens ─ ready

It stops in the reverse order: not ready, leadership is handed over, clients are told (`system-shutdown`), then links,
log and database close. Stopping is allowed at any point of starting.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import socket
import time
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Final

import msgspec
import structlog
from prometheus_client import CollectorRegistry

from raftline.base.errors import ConfigError, Unavailable
from raftline.base.ids import NodeId
from raftline.cluster.config import MILLISECOND_NS, Clocks, ClusterConfig, ClusterTiming
from raftline.cluster.driver import Driver
from raftline.cluster.identity import Identity
from raftline.cluster.reading import EdgeFigures
from raftline.cluster.storage import StorageSettings, open_storage
from raftline.console.console import Console
from raftline.gateway.server import Gateway, GatewaySettings
from raftline.gateway.uploads.endpoint import UploadEndpoint
from raftline.machine.commands import Credential
from raftline.node.node import LocalNode
from raftline.node.outlet import Outlet
from raftline.node.publisher import Publisher
from raftline.raft.config import RaftConfig
from raftline.server.addresses import Addresses
from raftline.server.backups import make_backups
from raftline.server.certificates import check_identity
from raftline.server.config import NodeSettings
from raftline.server.config_file import read_secret
from raftline.server.console import make_console
from raftline.server.discovery import external_services, published_hosts
from raftline.server.failures import ExitCode, Failure
from raftline.server.figures import cluster_figures, gateway_figures
from raftline.server.founding import KeptIdentity, settle_identity
from raftline.server.http_server import HttpServer
from raftline.server.membership import make_membership, member_ids
from raftline.server.reload import (
    WEBSOCKET_MARGIN_BYTES,
    Reloader,
    client_context,
    peer_link_contexts,
)
from raftline.server.telemetry import make_registry
from raftline.server.uploads import bucket_of, files_url, media_figures, upload_service
from raftline.server.webhooks import Webhooks, webhook_figures
from raftline.wal.files import OperatingSystemFiles
from raftline.web.admin import Admin
from raftline.web.app import make_app
from raftline.web.businesses.desk import Desk
from raftline.web.cloud.call import Edge
from raftline.web.cloud.endpoints import make_cloud
from raftline.web.cloud.filing import Filing
from raftline.web.cloud.routing import Cloud
from raftline.web.cloud.sending.links import LinkedFiles
from raftline.web.health import Health
from raftline.web.host_meta import HostMeta
from raftline.web.operations import Operations
from raftline.web.page import Page
from raftline.web.portability import Portability
from raftline.web.rate_limit import RateLimit
from raftline.xmpp.catalog import all_modules
from raftline.xmpp.push import Disclosure, write_publication
from raftline.xmpp.sasl import check_password, derive_credentials
from raftline.xmpp.xeps.xep_0368_direct_tls import CLIENT_PROTOCOL

TRANSFER_TIMEOUT_S: Final = 0.5
TRANSFER_LOOK_S: Final = 0.002

FULL_DISK: Final = "the disk of this node has too little space: it takes no new commands"
DRAINED: Final = "this node is drained: it serves no clients"

Logger = structlog.stdlib.BoundLogger
Fatal = Callable[[BaseException], None]


class RunningNode:
    """
    A node of a cluster in this process.

    Args:
        fatal: Called with the error after which the process must end at once.
        read: Reads the settings again; None where they cannot change while the node runs.

    Order: `start`, then `stop`, which is also right after a failed or cancelled start.
    """

    def __init__(
        self,
        settings: NodeSettings,
        log: Logger,
        fatal: Fatal,
        read: Callable[[], NodeSettings] | None = None,
    ) -> None:
        self._settings = settings
        self._read = read
        self._reloader: Reloader | None = None
        self._log = log
        self._fatal = fatal
        self._started = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """
        Start everything; returns once clients are served, which may take until a majority of nodes is up.

        Raises:
            ConfigError: A file that the settings name is missing or wrong.
            Failure: An address cannot be listened on.
            StorageError: Log or database cannot be used.
        """
        settings = self._settings
        check_identity(settings)
        token = read_secret("admin.token_file", settings.admin.token_file)
        self._peers = peer_link_contexts(settings)
        identity = await settle_identity(settings, self._peers)
        node = self._open_system(identity)
        driver = node.driver
        kept = KeptIdentity(settings.data_dir, identity, driver.begin_chore)
        kept.begun()
        driver.on_membership = kept.follow
        addresses = Addresses(driver, settings)
        gateway = self._make_gateway(node, token, addresses)
        node.on_drained = lambda is_drained: gateway.drain(is_drained=is_drained)
        health = Health(
            node, lambda: driver.leader_id is not None, time.monotonic_ns, hindrance=lambda: hindrance(driver)
        )
        webhooks = self._webhooks = Webhooks(node, private=settings.webhooks.private_addresses, wall_ms=wall_clock_ms)
        self._started.push_async_callback(webhooks.client.close)
        await self._listen("peer.port", settings.peer.host, settings.peer.port, driver.start())
        self._started.push_async_callback(driver.stop)
        publisher = self._publish_notifications(node)
        driver.begin_chore(webhooks.dispatcher.run(), "webhooks")

        def slice_applied() -> None:
            publisher.slice_applied()
            webhooks.slice_applied()

        node.on_slice = slice_applied
        console = self._make_console(node, gateway, token, addresses)
        http = self._make_http_server(node, gateway, health, token, addresses, console)
        self._started.push_async_callback(http.stop)
        await http.start()
        self._started.push_async_callback(gateway.close)
        self._started.push_async_callback(hand_over, driver)
        self._started.callback(console.stream.stop)
        self._started.callback(webhooks.streams.stop)
        self._started.callback(setattr, health, "stopping", True)
        self._log.info("waiting for a majority", node_id=settings.cluster.node_id, term=driver.metrics().term)
        await self._wait_live(driver)
        xmpp = settings.xmpp
        await self._listen("xmpp.port", xmpp.host, xmpp.port, gateway.listen(xmpp.host, xmpp.port, direct_tls=False))
        if xmpp.direct_tls_port:
            listening = gateway.listen(xmpp.host, xmpp.direct_tls_port, direct_tls=True)
            await self._listen("xmpp.direct_tls_port", xmpp.host, xmpp.direct_tls_port, listening)
        components = settings.components
        if components.secret_files and components.port:
            listening = gateway.listen_for_components(components.host, components.port)
            await self._listen("components.port", components.host, components.port, listening)
        health.started = True
        self._log.info("ready", node_id=settings.cluster.node_id, http=settings.own.http_url, xmpp_port=xmpp.port)

    async def stop(self) -> None:
        """Stop everything that was started, in order. A log that never took part ends with the process."""
        await self._started.aclose()

    def reload(self) -> list[str]:
        """
        Read the settings again; see reload.py.

        Raises:
            ConfigError: Refused; everything is as before.
        """
        if self._reloader is None:
            raise ConfigError("settings", "cannot be read again: the node is starting, or was started without a file")
        changed = self._reloader.reload()
        self._log.info("settings were read again", changed=changed)
        return changed

    def _open_system(self, identity: Identity) -> LocalNode:
        """Open database and log, and join them with links and Raft under one door."""
        settings = self._settings
        config = cluster_config(settings, identity)
        reserve_bytes = settings.storage.reserve_bytes
        storage = open_storage(
            StorageSettings(
                data_dir=settings.data_dir,
                has_begun=identity.has_begun,
                has_peers=not identity.is_alone,
                cluster_id=settings.cluster.id,
                node_id=config.node_id,
                domain=settings.domain,
                segment_bytes=settings.storage.segment_bytes,
                trailing_bytes=settings.storage.trailing_bytes,
                keeps_media=True,
                bucket=bucket_of(settings),
                reserve_bytes=reserve_bytes,
                files=OperatingSystemFiles(reserve_bytes=reserve_bytes),
            )
        )
        driver = Driver(
            config,
            raft_random=random.Random(os.urandom(16)),  # noqa: S311 - spreads timeouts, guards nothing
            clocks=Clocks(time.monotonic_ns, wall_clock_ms),
            storage=storage,
            contexts=self._peers,
            entropy=os.urandom,
            fatal=self._fatal,
        )
        return LocalNode(
            driver,
            domain=settings.domain,
            cluster_epoch=settings.cluster.epoch,
            entropy=os.urandom,
            monotonic_ns=time.monotonic_ns,
        )

    def _publish_notifications(self, node: LocalNode) -> Publisher:
        """Begin to publish, when this node leads, what devices are to be told of through push services."""
        settings, driver = self._settings, node.driver
        disclosure = Disclosure(sender=settings.push.sender, body=settings.push.body)
        publisher = Publisher(
            ask=driver.machine.answer,
            change_count=lambda: driver.machine.push_change_count,
            is_leader=lambda: driver.leader_id == driver.node_id,
            barrier=driver.read_barrier,
            send=Outlet(node).send,
            write=lambda row, service: write_publication(
                row, service, domain=settings.domain, epochs=node.epochs, disclosure=disclosure
            ),
            with_message=disclosure.body,
            now_ns=time.monotonic_ns,
            # Clocks of leaders differ, and cluster time is the greatest that any of them has told.
            cluster_ms=lambda: max(wall_clock_ms(), driver.machine.cluster_time_ms),
        )
        driver.begin_chore(publisher.run(), "publisher")
        return publisher

    def _make_gateway(self, node: LocalNode, token: str, addresses: Addresses) -> Gateway:
        settings = self._settings
        gateway_settings = GatewaySettings(
            domain=settings.domain,
            allow_plaintext=settings.plaintext.allow,
            open_registration=settings.registration.open,
            stanza_bytes_max=settings.limits.stanza_bytes_max,
            decoy_key=decoy_key(settings.cluster.id, token),
            resumption_timeout_s=settings.xmpp.resumption_timeout_s,
            resumption_location=addresses.resumption_location,
            component_secrets={
                label: read_secret(f"components.secret_files.{label}", file)
                for label, file in settings.components.secret_files.items()
            },
        )
        return Gateway(
            node,
            gateway_settings,
            all_modules(
                wall_clock_ms=wall_clock_ms,
                administrators=settings.xmpp.administrators,
                users_register=settings.xmpp.user_invitations,
                page_url=page_url(settings),
                status_addresses=settings.xmpp.status_urls,
                external_services=external_services(settings.turn),
                uploads=upload_service(settings),
                contacts=msgspec.structs.asdict(settings.contacts),
                components=sorted(settings.components.secret_files),
            ),
            clock=time.monotonic_ns,
            entropy=os.urandom,
            tls_context=client_context(settings, protocol=CLIENT_PROTOCOL),
        )

    def _make_console(self, node: LocalNode, gateway: Gateway, token: str, addresses: Addresses) -> Console:
        settings = self._settings

        async def check(password: str, credential: Credential) -> bool:
            return await gateway.run_aside(check_password, password, credential)

        node.driver.observer.edges = lambda: EdgeFigures(gateway.connection_count, gateway.messages_total)
        return make_console(
            node,
            settings,
            token,
            http_urls=addresses.http_urls,
            check=check,
            decoy_key=decoy_key(settings.cluster.id, token),
            wall_ms=wall_clock_ms,
        )

    def _make_http_server(
        self,
        node: LocalNode,
        gateway: Gateway,
        health: Health,
        token: str,
        addresses: Addresses,
        console: Console,
    ) -> HttpServer:
        settings = self._settings
        driver = node.driver

        async def status() -> object:
            return (await driver.status()).as_json()

        async def derive(password: str) -> tuple[Credential, ...]:
            # The same thread as for clients that register in-band: passwords take one core at most.
            return await gateway.run_aside(derive_credentials, password, os.urandom)

        page = Page(
            node=node,
            websockets=addresses.websockets,
            registrations=RateLimit(settings.registration.per_minute) if settings.registration.open else None,
            derive_credentials=derive,
            entropy=os.urandom,
            clock=time.monotonic_ns,
        )
        actor_of = console.sign_in.sessions.actor_of
        admin = Admin(node, token, status, derive, os.urandom, page_url(settings), actor_of)
        app = make_app(
            page=page,
            host_meta=HostMeta(addresses.http_urls, published_hosts(settings.discovery)),
            admin=admin,
            health=health,
            registry=registry_of(node, gateway, self._webhooks),
            websocket=gateway.websocket_endpoint,
            bosh=gateway.bosh_endpoint,
            upload=self._make_upload_endpoint(node),
            files_url=settings.media.public_url,
            membership=make_membership(driver, settings),
            backups=make_backups(driver, settings, wall_clock_ms, self._log.info),
            portability=Portability(node, derive, os.urandom, self._log.info),
            businesses=Desk(admin, wall_clock_ms, self._webhooks.challenge.verify),
            console=console.routes(),
            cloud=self._make_cloud(node, health),
            operations=Operations(
                node_ids=lambda: member_ids(driver),
                transfer=lambda target: driver.transfer_leadership(None if target is None else NodeId(target)),
                reload=self.reload,
                http_urls=addresses.http_urls_by_node,
            ),
        )
        http_context = None if settings.plaintext.allow else client_context(settings)
        http = HttpServer(
            app,
            bind_listener("http.port", settings.http.host, settings.http.port),
            tls_context=http_context,
            websocket_bytes_max=settings.limits.stanza_bytes_max + WEBSOCKET_MARGIN_BYTES,
        )
        if self._read is not None:
            self._reloader = Reloader(
                settings,
                self._read,
                gateway=gateway,
                page=page,
                http=http,
                http_context=http_context,
                peers=self._peers,
            )
        return http

    def _make_cloud(self, node: LocalNode, health: Health) -> Cloud:
        settings = self._settings
        filing = Filing(node, upload_service(settings), os.urandom)
        links = LinkedFiles(self._webhooks.client, filing, time.monotonic)
        self._started.push_async_callback(links.stop)
        edge = Edge(
            node,
            os.urandom,
            wall_clock_ms,
            is_ready=lambda: health.started and not health.stopping,
            page_url=page_url(settings),
            files_url=lambda: files_url(settings),
            filing=filing,
            links=links,
            check_callback=self._webhooks.challenge.verify,
            streams=self._webhooks.streams,
        )
        return make_cloud(edge)

    def _make_upload_endpoint(self, node: LocalNode) -> UploadEndpoint:
        settings = self._settings
        return UploadEndpoint(
            node,
            wall_ms=wall_clock_ms,
            base_url=lambda: files_url(settings),
            refused_types=settings.media.refused_types,
        )

    async def _listen(self, path: str, host: str, port: int, listening: Awaitable[object]) -> None:
        """Await something that opens a listener, and name the setting when it cannot."""
        try:
            await listening
        except OSError as error:
            raise address_failure(path, host, port, error) from error

    async def _wait_live(self, driver: Driver) -> None:
        """Wait, however long it takes, until this node's start is applied; say now and then what is missing."""
        while True:
            try:
                await driver.lives.wait_live()
            except Unavailable:
                self._log.warning("still waiting for a majority", links=_links_up(driver))
            else:
                return


def wall_clock_ms() -> int:
    """Return milliseconds since 1970."""
    return time.time_ns() // MILLISECOND_NS


def registry_of(node: LocalNode, gateway: Gateway, webhooks: Webhooks) -> CollectorRegistry:
    """Return the node's figures for Prometheus."""
    return make_registry(
        {
            "cluster": lambda: cluster_figures(node.driver.metrics()),
            "gateway": lambda: gateway_figures(gateway.figures()),
            "media": lambda: media_figures(node.files.metrics()),
            "webhooks": lambda: webhook_figures(webhooks.dispatcher.figures(), node.driver.machine.lost_event_count),
        }
    )


def page_url(settings: NodeSettings) -> str:
    """Return where browsers reach this node by HTTPS; empty where it serves plain HTTP, for development."""
    return settings.own.http_url if settings.own.http_url.startswith("https://") else ""


def hindrance(driver: Driver) -> str:
    """Return why this node cannot serve clients although a majority may; empty when it can."""
    if driver.draining.is_drained:
        return DRAINED
    return "" if driver.storage.has_space else FULL_DISK


def cluster_config(settings: NodeSettings, identity: Identity) -> ClusterConfig:
    """Translate settings, and whose data the directory holds, into the cluster's own configuration."""
    timing = settings.timing
    election_min_ns = timing.election_timeout_min_ms * MILLISECOND_NS
    raft = RaftConfig(
        election_timeout_min_ns=election_min_ns,
        election_timeout_max_ns=timing.election_timeout_max_ms * MILLISECOND_NS,
        heartbeat_ns=timing.heartbeat_ms * MILLISECOND_NS,
        connection_loss_jitter_ns_max=min(10 * MILLISECOND_NS, election_min_ns),
    )
    return ClusterConfig(
        cluster_id=settings.cluster.id,
        node_id=NodeId(settings.cluster.node_id),
        peers=identity.peers,
        contacts=identity.others_known,
        is_founder=identity.is_founder,
        data_id=bytes.fromhex(identity.data_id),
        http_url=settings.own.http_url,
        xmpp_address=settings.own.xmpp_address,
        listen_host=settings.peer.host,
        listen_port=settings.peer.port,
        raft=raft,
        timing=ClusterTiming(
            bury_after_ns=timing.bury_after_ms * MILLISECOND_NS,
            isolated_after_ns=timing.contact_loss_ms * MILLISECOND_NS,
        ),
    )


def decoy_key(cluster_id: str, token: str) -> bytes:
    """Return the key of the gateways' settings: equal on all nodes, known to nobody outside."""
    return blake2b(cluster_id.encode(), key=blake2b(token.encode()).digest()[:64], digest_size=32).digest()


async def hand_over(driver: Driver) -> None:
    """If this node leads, let another one lead before it goes, so that nobody waits for an election."""
    own = driver.node_id
    if driver.leader_id != own:
        return
    try:
        driver.transfer_leadership()
    except Unavailable:
        return  # nobody is left to take it
    deadline_ns = time.monotonic_ns() + int(TRANSFER_TIMEOUT_S * 1e9)
    # The core tells of a new leader by its state alone, and this is the last thing that looks at it.
    while driver.leader_id in (own, None) and time.monotonic_ns() < deadline_ns:  # noqa: ASYNC110
        await asyncio.sleep(TRANSFER_LOOK_S)


def bind_listener(path: str, host: str, port: int) -> socket.socket:
    """
    Bind a listener.

    Raises:
        Failure: ADDRESS, naming the setting.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise address_failure(path, host, port, error) from error
    return listener


def address_failure(path: str, host: str, port: int, error: OSError) -> Failure:
    """Say why an address cannot be listened on."""
    if error.errno == errno.EADDRINUSE:
        return Failure(ExitCode.ADDRESS, f"{path}: {host}:{port} is in use by another process")
    return Failure(ExitCode.ADDRESS, f"{path}: {host}:{port} cannot be listened on: {error.strerror or error}")


def _links_up(driver: Driver) -> list[int]:
    return [link.node_id for link in driver.metrics().links if link.is_up]
