"""
The settings of one node: a TOML file, then the environment, then checks.

A setting has one name everywhere, its path: `http.port` is `port` under `[http]` in the file and
`RAFTLINE_HTTP__PORT` in the environment (two underscores go down one level; values are read as TOML, and as plain
text where they are none). Unknown names are errors, in the file as in the environment, since a misspelt limit is a
limit that is not there. Relative paths count from the file's directory, so a data directory can be moved whole.

Secrets are never settings: a setting names the file that holds the secret.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from raftline.base.limits import RESUMPTION_TIMEOUT_S_MAX, UPLOAD_SIZE_MAX
from raftline.xmpp.xeps.xep_0487_host_meta_2 import TTL_S_MAX

Port = Annotated[int, Meta(ge=1, le=65_535)]
"""A TCP port."""

Uri = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:\S+$", max_length=1_024)]
"""With its scheme, as `mailto:abuse@example.org`."""

Milliseconds = Annotated[int, Meta(ge=1, le=600_000)]
"""A duration; ten minutes at most, since every one of these bounds a wait."""

Name = Annotated[str, Meta(min_length=1, max_length=255)]

StatusUrl = Annotated[str, Meta(pattern=r"^https?://[^/\s]+(/\S*)?$", max_length=2_048)]
"""The address of a file that anyone may read."""


class PeerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A node of the cluster, this one or another."""

    node_id: Annotated[int, Meta(ge=1, le=65_535)]
    """Never used twice in the life of a cluster."""
    host: Name
    """Where the other nodes reach its peer link."""
    port: Port
    """Port of its peer link."""
    fingerprint: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    """
    SHA-256 of its peer key, 64 lowercase hexadecimal digits; another key is refused. Of the public key in DER:
    `openssl x509 -pubkey -noout -in peer.pem | openssl pkey -pubin -outform der | sha256sum`
    """
    http_url: Annotated[str, Meta(pattern="^https?://[^/]+$")]
    """How people's browsers reach its HTTP listener, without a path: `https://one.example.org`."""
    xmpp_address: Annotated[str, Meta(pattern="^([^/ ]+:[0-9]{1,5})?$")] = ""
    """How clients reach its XMPP listener, `one.example.org:5222`: named to those of other nodes; empty for not."""


class ClusterSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which cluster this node belongs to."""

    id: Name
    """Drawn once for the whole cluster; logs and links of another cluster are refused."""
    node_id: Annotated[int, Meta(ge=1, le=65_535)]
    """This node; must be one of `cluster.peers`."""
    epoch: Annotated[int, Meta(ge=1)] = 1
    """First part of stanza ids; grows when a cluster moves to another log."""
    peers: Annotated[tuple[PeerSettings, ...], Meta(min_length=1, max_length=9)]
    """All nodes that found the cluster; for a node that joins one, members to ask, and itself. Later the log tells."""
    join_token_file: Path | None = None
    """Holds the token of this node's invitation (`raftline cluster add`); for a node that joins a cluster."""


class XmppSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Client connections over TCP."""

    host: Name = "127.0.0.1"
    """Address to listen on."""
    port: Port = 5222
    """STARTTLS (RFC 6120 section 5)."""
    direct_tls_port: Annotated[int, Meta(ge=0, le=65_535)] = 5223
    """TLS from the first byte (XEP-0368); 0 for none."""
    status_urls: Annotated[tuple[StatusUrl, ...], Meta(max_length=8)] = ()
    """Where clients look when the service is out of order (XEP-0455): files on other machines than these."""
    administrators: tuple[str, ...] = ()
    """Accounts, as `anna@example.org`, that may administer the service from their clients (XEP-0133)."""
    user_invitations: bool = True
    """Who is invited by a user may open an account here, whether registration is open or not (XEP-0401)."""
    resumption_timeout_s: Annotated[int, Meta(ge=0, le=RESUMPTION_TIMEOUT_S_MAX)] = 300
    """A session whose connection is lost waits so long for its client (XEP-0198); 0 for not at all."""


class ComponentSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """External components, such as gateways (XEP-0114); none by default. The same labels and secrets on all nodes."""

    host: Name = "127.0.0.1"
    """Address to listen on; there is no TLS, so one that only components reach."""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 5_347
    """Port to listen on; 0 for none on this node."""
    secret_files: dict[str, Path] = {}
    """By label: the file that holds the secret of the component at `label.DOMAIN`."""


class HttpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Web client, WebSocket, administration, health, metrics."""

    host: Name = "127.0.0.1"
    """Address to listen on."""
    port: Port = 5443
    """HTTPS; plain HTTP where `plaintext.allow` is set."""


class DiscoveryHostSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A host that clients are told of with all they need to connect."""

    name: Name
    """As it stands in `cluster.peers[].http_url`; clients ask for it by TLS (SNI)."""
    ips: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=16)]
    """Its addresses, IPv4 or IPv6."""
    direct_tls_port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    """Where its direct TLS is reached (XEP-0368); 0 for nowhere."""
    priority: Annotated[int, Meta(ge=0, le=65_535)] = 10
    """Clients try the lowest first (RFC 2782)."""
    weight: Annotated[int, Meta(ge=0, le=65_535)] = 50
    """Share among hosts of one priority (RFC 2782)."""


class DiscoverySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """
    What host-meta.json tells beyond addresses of WebSocket and BOSH (XEP-0487); nothing while no host is named.

    Clients that read it look no further, not even at SRV records.
    """

    ttl_s: Annotated[int, Meta(ge=1, le=TTL_S_MAX)] = 3_600
    """Clients may keep the file for so long."""
    public_key_pins: Annotated[
        tuple[Annotated[str, Meta(pattern="^[A-Za-z0-9+/]{43}=$")], ...], Meta(max_length=8)
    ] = ()
    """SHA-256 digests, in base64, of public keys that are trusted; a new one goes here two `ttl_s` before its use."""
    hosts: Annotated[tuple[DiscoveryHostSettings, ...], Meta(max_length=32)] = ()
    """All of them, since clients look at no others."""


class TurnServiceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A STUN or TURN server that clients are told of."""

    type: Literal["stun", "stuns", "turn", "turns"]
    """`turn` and `turns` relay, and ask for credentials; the forms with an s are over TLS."""
    host: Name
    """Its name or address."""
    port: Port = 3_478
    """Its port; `stuns` and `turns` usually have 5349."""
    transport: Literal["udp", "tcp"] = "udp"
    """How it is reached."""


class TurnSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Servers that help calls through firewalls (XEP-0215), such as coturn; none by default. The same on all nodes."""

    secret_file: Path | None = None
    """Holds the secret that the TURN servers share (coturn: `use-auth-secret`, `static-auth-secret`)."""
    ttl_s: Annotated[int, Meta(ge=60, le=604_800)] = 86_400
    """Credentials are good for so long."""
    services: Annotated[tuple[TurnServiceSettings, ...], Meta(max_length=16)] = ()
    """What clients are told of."""


MediaType = Annotated[str, Meta(pattern=r"^[a-z0-9!#$&^_.+-]+/([a-z0-9!#$&^_.+-]+|\*)$", max_length=255)]
"""As `text/html`, or `application/*` for all of a kind; in small letters."""


class S3Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A bucket in an S3-compatible store."""

    endpoint: Annotated[str, Meta(pattern=r"^(https?://[^/\s]+)?$")] = ""
    """Where the store is reached, without a path: `https://s3.example.org`."""
    bucket: Annotated[str, Meta(pattern=r"^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$")] = ""
    """Its name; it must be there."""
    region: Annotated[str, Meta(pattern="^[a-z0-9-]+$")] = "us-east-1"
    """What the store calls the place where it is."""
    prefix: Annotated[str, Meta(pattern=r"^([A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)?$", max_length=255)] = ""
    """Names of all objects begin with it, so that a bucket can be shared; never by two clusters."""
    access_key_id: str = ""
    """Who may read, write, list and delete objects in the bucket."""
    secret_key_file: Path | None = None
    """Holds the secret of `access_key_id`."""
    plaintext: bool = False
    """Speak to the store without TLS, for one on this machine or in a network of its own."""


class MediaSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Files that people upload (XEP-0363). The same on all nodes."""

    public_url: Annotated[str, Meta(pattern="^(https?://[^/]+)?$")] = ""
    """
    Where links to files lead, `https://files.example.org`: a name under which all nodes are reached, so that links
    outlive a node. Empty for the node that gives a link out.
    """
    size_max: Annotated[int, Meta(ge=1_024, le=UPLOAD_SIZE_MAX)] = 104_857_600
    """Bytes of one file."""
    account_bytes_max: Annotated[int, Meta(ge=1_024, le=1 << 50)] = 10_737_418_240
    """Bytes of all files of an account."""
    account_file_count_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    """How many an account may have."""
    keep_days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    """Files are deleted after so many days; 0 for never. Counts for what is uploaded from then on."""
    storage: Literal["disk", "s3"] = "disk"
    """Where the bytes are: on the nodes' own disks, a copy on each, or in the bucket of `media.s3`."""
    s3: S3Settings = S3Settings()
    """For `storage = "s3"`."""
    refused_types: Annotated[tuple[MediaType, ...], Meta(max_length=256)] = ()
    """Media types that nobody may upload, as clients name them."""


class PushSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What push services are told beside counts of messages and requests (XEP-0357 section 9)."""

    sender: bool = True
    """Who sent the last message."""
    body: bool = False
    """Its text, unless it is encrypted: whoever runs a service, and whoever that hands it on to, can read it."""


class WebhookSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where programs may be told of events, and have files fetched from (the Cloud API); nowhere link-local."""

    private_addresses: bool = True
    """Also on this machine and in private networks; refuse it where customers choose addresses."""


class PeerListenSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The link to the other nodes; always mutual TLS."""

    host: Name = "127.0.0.1"
    """Address to listen on."""
    port: Port = 5269
    """Port to listen on."""


class TlsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Certificates and keys, in PEM files."""

    certificate_file: Path
    """Shown to clients, with its chain; valid for the domain."""
    key_file: Path
    """Key of `certificate_file`."""
    peer_certificate_file: Path
    """Shown to other nodes; its common name is the node id."""
    peer_key_file: Path
    """Key of `peer_certificate_file`."""
    peer_ca_file: Path
    """Who may sign peers' certificates."""


class RegistrationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may open an account."""

    open: bool = False
    """Anyone who can connect may (XEP-0077 and the web page); otherwise administrators create accounts, or invite."""
    per_minute: Annotated[int, Meta(ge=1, le=10_000)] = 30
    """Registrations by the web page from one address; beyond it they are refused for a while."""


class PlaintextSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Clients without TLS, for development."""

    allow: bool = False
    """Serve plain HTTP and do not insist on STARTTLS; only where all listeners are on loopback."""


class AdminSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The administration interface."""

    token_file: Path
    """Holds the bearer token of `/admin/v1`."""


class LimitSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bounds on what one client may ask for."""

    stanza_bytes_max: Annotated[int, Meta(ge=10_000, le=1_048_576)] = 262_144
    """Greatest stanza; RFC 6120 section 13.12 forbids less than 10,000."""


class StorageSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How data lies on the disk."""

    segment_bytes: Annotated[int, Meta(ge=1_048_576, le=1_073_741_824)] = 67_108_864
    """Size of one file of the write-ahead log, zero-filled ahead."""
    trailing_bytes: Annotated[int, Meta(ge=1_048_576, le=17_179_869_184)] = 67_108_864
    """What the log keeps at least behind a checkpoint: a node that was away for no longer needs no snapshot."""
    reserve_bytes: Annotated[int, Meta(ge=4_194_304, le=17_179_869_184)] = 134_217_728
    """Space kept free on the disk of `data_dir`: with less, new commands are refused until there is more again."""


class TimingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How fast failures are noticed. The same on all nodes."""

    heartbeat_ms: Milliseconds = 40
    """A leader speaks at least so often."""
    election_timeout_min_ms: Milliseconds = 150
    """A follower waits at least so long for a silent leader; more than twice the heartbeat."""
    election_timeout_max_ms: Milliseconds = 300
    """And at most so long; drawn anew each time."""
    bury_after_ms: Milliseconds = 1_500
    """A node that is silent for so long is declared dead: its sessions end on all nodes."""
    contact_loss_ms: Milliseconds = 10_000
    """A node that has not heard of a leader for so long closes its clients' streams."""


class ContactSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom people may turn to, as URIs such as `mailto:` and `xmpp:`; told to every client (XEP-0157)."""

    abuse: tuple[Uri, ...] = ()
    """Of whoever misuses the service."""
    admin: tuple[Uri, ...] = ()
    """Administrators."""
    feedback: tuple[Uri, ...] = ()
    """What people think of it."""
    sales: tuple[Uri, ...] = ()
    """What it costs."""
    security: tuple[Uri, ...] = ()
    """Of holes in it."""
    status: tuple[Uri, ...] = ()
    """Whether it is up: pages, not people."""
    support: tuple[Uri, ...] = ()
    """When something does not work."""


class LogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the process writes to its standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity that is written."""
    format: Literal["console", "json"] = "console"
    """`json` writes one object a line."""


class NodeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings of one node."""

    domain: Name
    """The domain of all accounts."""
    data_dir: Path
    """Log and database; one process at a time."""
    cluster: ClusterSettings
    tls: TlsSettings
    admin: AdminSettings
    xmpp: XmppSettings = XmppSettings()
    http: HttpSettings = HttpSettings()
    discovery: DiscoverySettings = DiscoverySettings()
    components: ComponentSettings = ComponentSettings()
    peer: PeerListenSettings = PeerListenSettings()
    turn: TurnSettings = TurnSettings()
    media: MediaSettings = MediaSettings()
    push: PushSettings = PushSettings()
    webhooks: WebhookSettings = WebhookSettings()
    registration: RegistrationSettings = RegistrationSettings()
    plaintext: PlaintextSettings = PlaintextSettings()
    limits: LimitSettings = LimitSettings()
    storage: StorageSettings = StorageSettings()
    timing: TimingSettings = TimingSettings()
    log: LogSettings = LogSettings()
    contacts: ContactSettings = ContactSettings()

    @property
    def own(self) -> PeerSettings:
        """This node's row of `cluster.peers`."""
        return next(peer for peer in self.cluster.peers if peer.node_id == self.cluster.node_id)

    @property
    def listeners(self) -> tuple[tuple[str, str, int], ...]:
        """All listeners as (path of the setting, host, port)."""
        listeners = [
            ("xmpp.port", self.xmpp.host, self.xmpp.port),
            ("http.port", self.http.host, self.http.port),
            ("peer.port", self.peer.host, self.peer.port),
        ]
        if self.xmpp.direct_tls_port:
            listeners.append(("xmpp.direct_tls_port", self.xmpp.host, self.xmpp.direct_tls_port))
        if self.components.secret_files and self.components.port:
            listeners.append(("components.port", self.components.host, self.components.port))
        return tuple(listeners)


def is_loopback(host: str) -> bool:
    """Tell whether a listener on `host` can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
