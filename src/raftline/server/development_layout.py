"""
The files of a development cluster.

    DIR/development.json    what the cluster was made with; the same for its whole life
    DIR/cluster.json        for tools (cluster_file.py)
    DIR/admin.token         bearer token of /admin/v1
    DIR/components/         secrets of components, from `--component`
    DIR/certificates/       authority, nodes, clients (certificates.py)
    DIR/nodeK/node.toml     settings of node K, written anew by each `raftline up`
    DIR/nodeK/data/         its log and database
    DIR/nodeK/node.log      what it writes to standard error while `raftline up` runs it

Node K listens on 127.0.0.1 at base port + 10 * (K - 1), plus 0 XMPP, 1 XMPP direct TLS, 2 HTTP, 3 peer link,
4 components, where there are any.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from raftline.base.errors import ConfigError
from raftline.server.certificates import ClusterCertificates, ensure_certificates, fingerprint_of, write_private
from raftline.server.cluster_file import ClusterFile, ClusterFileNode
from raftline.server.config import (
    AdminSettings,
    ClusterSettings,
    ComponentSettings,
    HttpSettings,
    NodeSettings,
    PeerListenSettings,
    PeerSettings,
    PlaintextSettings,
    RegistrationSettings,
    StorageSettings,
    TlsSettings,
    XmppSettings,
)
from raftline.server.config_file import check_domain, check_label, check_relations, read_file, read_secret
from raftline.server.founding import found
from raftline.server.toml_text import format_settings

HOST: Final = "127.0.0.1"
PORTS_PER_NODE: Final = 10
NODE_COUNT_DEFAULT: Final = 3
NODE_COUNT_MAX: Final = 9
BASE_PORT_DEFAULT: Final = 15_000
DOMAIN_DEFAULT: Final = "localhost"

SEGMENT_BYTES: Final = 16 << 20
"""Of the log: several nodes share one disk here, and each keeps a spare segment."""
RESERVE_BYTES: Final = 32 << 20
"""Of the disk: little, since what is developed is little."""

PARAMETERS_FILE: Final = "development.json"
TOKEN_FILE: Final = "admin.token"  # noqa: S105 - a file's name


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a development cluster is made with, and which nodes it has."""

    cluster_id: str
    nodes: int
    """How many it was founded with."""
    base_port: int
    domain: str
    node_ids: tuple[int, ...] = ()
    """Which nodes there are now; empty as long as they are the founders."""
    epoch: int = 1
    """First part of stanza ids; greater where the cluster was founded with the state of another one."""

    @property
    def founders(self) -> tuple[int, ...]:
        """The nodes it was founded with."""
        return tuple(range(1, self.nodes + 1))

    @property
    def members(self) -> tuple[int, ...]:
        """The nodes there are now, as far as was told here."""
        return self.node_ids or self.founders


class Layout(msgspec.Struct, frozen=True):
    """A development cluster on disk."""

    directory: Path
    parameters: Parameters
    settings: tuple[NodeSettings, ...]
    """Of each node, from 1."""
    content: ClusterFile
    """As cluster.json is to be, without processes."""


def node_directory(directory: Path, node_id: int) -> Path:
    """Return where node `node_id` keeps its files."""
    return directory / f"node{node_id}"


def settings_file(directory: Path, node_id: int) -> Path:
    """Return the settings file of a node."""
    return node_directory(directory, node_id) / "node.toml"


def log_file(directory: Path, node_id: int) -> Path:
    """Return what the node writes its messages to while `raftline up` runs it."""
    return node_directory(directory, node_id) / "node.log"


def token_file_of(directory: Path, node_id: int) -> Path:
    """Return the file of the token that lets a node join."""
    return node_directory(directory, node_id) / "join.token"


def first_settings(directory: Path) -> dict[str, Any]:
    """
    Return the raw settings of the first node there is, which `raftline up` writes like those of the others.

    Raises:
        ConfigError: They cannot be read.
    """
    # Not of node 1: what a node leaves behind that was removed tells how it was.
    first = settle_parameters(directory, None, None, None).members[0]
    return read_file(settings_file(directory, first))


def serves_plain_http(directory: Path) -> bool:
    """
    Tell whether the cluster's HTTP listeners speak plain HTTP.

    Raises:
        ConfigError: The settings of its first node cannot be read.
    """
    return bool(first_settings(directory).get("plaintext", {}).get("allow", False))


def settle_parameters(directory: Path, nodes: int | None, base_port: int | None, domain: str | None) -> Parameters:
    """
    Return the parameters of the cluster in `directory`, or those that a new one is to be made with. Writes nothing.

    Raises:
        ConfigError: A parameter is out of range, or differs from what the cluster was made with.
    """
    file = directory / PARAMETERS_FILE
    try:
        made = msgspec.json.decode(file.read_bytes(), type=Parameters)
    except FileNotFoundError:
        made = None
    except msgspec.DecodeError as error:
        raise ConfigError(str(file), f"is damaged: {error}") from error
    if made is not None:
        for option, given, kept in (
            ("--nodes", nodes, made.nodes),
            ("--base-port", base_port, made.base_port),
            ("--domain", domain, made.domain),
        ):
            if given is not None and given != kept:
                raise ConfigError(
                    option,
                    f"the cluster in {directory} was made with {kept}, not {given}; leave {option} away, or choose"
                    " another --data directory",
                )
        return made
    parameters = Parameters(
        cluster_id=secrets.token_hex(16),
        nodes=NODE_COUNT_DEFAULT if nodes is None else nodes,
        base_port=BASE_PORT_DEFAULT if base_port is None else base_port,
        domain=DOMAIN_DEFAULT if domain is None else domain,
    )
    _check_parameters(parameters)
    return parameters


def _check_parameters(parameters: Parameters) -> None:
    check_domain("--domain", parameters.domain)
    if not 1 <= parameters.nodes <= NODE_COUNT_MAX:
        raise ConfigError("--nodes", f"{parameters.nodes} is not between 1 and {NODE_COUNT_MAX}")
    port_max = 65_536 - PORTS_PER_NODE * parameters.nodes
    if not 1_024 <= parameters.base_port <= port_max:
        raise ConfigError(
            "--base-port", f"{parameters.base_port} is not between 1024 and {port_max} ({parameters.nodes} nodes)"
        )


def lay_out(
    directory: Path,
    parameters: Parameters,
    *,
    open_registration: bool,
    allow_plaintext: bool,
    components: Mapping[str, str] = MappingProxyType({}),
) -> Layout:
    """
    Write all files of the cluster that are missing or may change: parameters, certificates, token, settings.

    The caller has the directory for itself.

    Args:
        components: Secrets of components that may connect, by label.

    Raises:
        ConfigError: A parameter makes no valid settings.
    """
    layout = write_layout(
        directory,
        parameters,
        open_registration=open_registration,
        allow_plaintext=allow_plaintext,
        components=components,
    )
    if not (layout.directory / PARAMETERS_FILE).exists():
        for one in layout.settings:
            found(one)
        write_parameters(layout.directory, parameters)
    return layout


def write_layout(
    directory: Path,
    parameters: Parameters,
    *,
    open_registration: bool,
    allow_plaintext: bool,
    components: Mapping[str, str] = MappingProxyType({}),
) -> Layout:
    """
    Write certificates, token and settings, and leave the nodes' data alone; as `lay_out`.

    Raises:
        ConfigError: A parameter makes no valid settings.
    """
    directory = directory.resolve()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificates = certify(directory, parameters)
    token_file = directory / TOKEN_FILE
    if not token_file.exists():
        write_private(token_file, f"{secrets.token_urlsafe(32)}\n".encode())
    for label in components:
        check_label("--component", label)
    secret_files = {label: directory / "components" / f"{label}.secret" for label in components}
    for label, file in secret_files.items():
        file.parent.mkdir(mode=0o700, exist_ok=True)
        write_private(file, f"{components[label]}\n".encode())
    settings = tuple(
        node_settings(
            directory,
            parameters,
            node_id,
            certificates,
            open_registration=open_registration,
            allow_plaintext=allow_plaintext,
            component_secret_files=secret_files,
        )
        for node_id in parameters.members
    )
    for one in settings:
        check_relations(one)
    for one in settings:
        write_settings(directory, one)
    content = ClusterFile(
        domain=parameters.domain,
        admin_token=read_secret("admin.token_file", token_file),
        ca=str(certificates.authority),
        nodes=tuple(describe_node(one) for one in settings),
    )
    return Layout(directory, parameters, settings, content)


def certify(directory: Path, parameters: Parameters) -> ClusterCertificates:
    """Make the certificates of all nodes there are or were."""
    node_ids = sorted({*parameters.founders, *parameters.members})
    return ensure_certificates(directory / "certificates", node_ids, parameters.domain, dt.datetime.now(dt.UTC))


def write_parameters(directory: Path, parameters: Parameters) -> None:
    """Write what the cluster was made with."""
    write_private(directory / PARAMETERS_FILE, msgspec.json.encode(parameters) + b"\n")


def write_settings(directory: Path, settings: NodeSettings) -> None:
    """Write the settings file of a node."""
    file = settings_file(directory, settings.cluster.node_id)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    head = "# Written by `raftline`; changes here last until the next `raftline up`.\n\n"
    write_private(file, (head + format_settings(settings)).encode())


def _port(parameters: Parameters, node_id: int, offset: int) -> int:
    return parameters.base_port + PORTS_PER_NODE * (node_id - 1) + offset


def node_settings(
    directory: Path,
    parameters: Parameters,
    node_id: int,
    certificates: ClusterCertificates,
    *,
    open_registration: bool,
    allow_plaintext: bool,
    component_secret_files: dict[str, Path],
) -> NodeSettings:
    """Return the settings of a node: a founder knows the founders, one that joins knows who is there now."""
    is_founder = node_id in parameters.founders
    peers = tuple(
        PeerSettings(
            node_id=other,
            host=HOST,
            port=_port(parameters, other, 3),
            fingerprint=fingerprint_of(certificates.nodes[other].certificate),
            http_url=f"{'http' if allow_plaintext else 'https'}://{HOST}:{_port(parameters, other, 2)}",
            xmpp_address=f"{HOST}:{_port(parameters, other, 0)}",
        )
        for other in (parameters.founders if is_founder else parameters.members)
    )
    return NodeSettings(
        domain=parameters.domain,
        data_dir=node_directory(directory, node_id) / "data",
        cluster=ClusterSettings(
            id=parameters.cluster_id,
            node_id=node_id,
            epoch=parameters.epoch,
            peers=peers,
            join_token_file=None if is_founder else token_file_of(directory, node_id),
        ),
        tls=TlsSettings(
            certificate_file=certificates.server.certificate,
            key_file=certificates.server.key,
            peer_certificate_file=certificates.nodes[node_id].certificate,
            peer_key_file=certificates.nodes[node_id].key,
            peer_ca_file=certificates.authority,
        ),
        admin=AdminSettings(token_file=directory / TOKEN_FILE),
        xmpp=XmppSettings(host=HOST, port=_port(parameters, node_id, 0), direct_tls_port=_port(parameters, node_id, 1)),
        http=HttpSettings(host=HOST, port=_port(parameters, node_id, 2)),
        components=ComponentSettings(
            host=HOST, port=_port(parameters, node_id, 4), secret_files=component_secret_files
        ),
        peer=PeerListenSettings(host=HOST, port=_port(parameters, node_id, 3)),
        registration=RegistrationSettings(open=open_registration),
        plaintext=PlaintextSettings(allow=allow_plaintext),
        storage=StorageSettings(segment_bytes=SEGMENT_BYTES, reserve_bytes=RESERVE_BYTES),
    )


def describe_node(settings: NodeSettings) -> ClusterFileNode:
    """Return a node as cluster.json tells of it, without a process."""
    return ClusterFileNode(
        id=settings.cluster.node_id,
        pid=0,
        xmpp=settings.xmpp.port,
        xmpps=settings.xmpp.direct_tls_port,
        http=settings.http.port,
        peer=settings.peer.port,
        data=str(settings.data_dir),
    )
