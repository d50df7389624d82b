"""
Certificates of a development cluster: an authority of its own, one certificate per node, one for clients.

    ca.pem, ca.key            signs the others; trusted by nobody else
    server.pem, server.key    shown to clients: the domain, its service names, localhost, 127.0.0.1, ::1
    nodeK.pem, nodeK.key      peer link of node K: common name K, both server and client of TLS

What is there is used again while it fits (key, names, authority, at least a day left); the rest is made anew. Keys
are readable by their owner alone. Production brings certificates of its own and pins the peers' fingerprints.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from raftline.base.errors import ConfigError
from raftline.cluster.connections import key_fingerprint
from raftline.server.config import NodeSettings

AUTHORITY_LIFETIME = dt.timedelta(days=3650)
LIFETIME = dt.timedelta(days=820)
"""What browsers and Apple's clients accept at most is 825 days for an authority that a person installed."""
RENEWAL_MARGIN = dt.timedelta(days=1)

SERVICE_NAMES = ("conference", "upload", "pubsub")
"""Subdomains that clients may be sent to (design: rooms, uploads, publish-subscribe)."""


class CertificateFiles(NamedTuple):
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class ClusterCertificates(NamedTuple):
    """All files of a development cluster; `nodes` by node id."""

    authority: Path
    server: CertificateFiles
    nodes: dict[int, CertificateFiles]


class _Pair(NamedTuple):
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def ensure_certificates(directory: Path, node_ids: Sequence[int], domain: str, now: dt.datetime) -> ClusterCertificates:
    """
    Make what is missing or no longer fits.

    Args:
        directory: Is created; a development cluster's own.
        now: With a time zone.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = _ensure_authority(directory, now)
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in _server_names(domain)]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    server = _ensure_leaf(directory, "server", domain, names, authority, now)
    nodes = {
        node_id: _ensure_leaf(
            directory, f"node{node_id}", str(node_id), [x509.DNSName(f"node{node_id}")], authority, now
        )
        for node_id in node_ids
    }
    return ClusterCertificates(directory / "ca.pem", server, nodes)


def fingerprint_of(certificate_file: Path) -> str:
    """Return the fingerprint of a certificate's key, by which the other nodes know this one."""
    return key_fingerprint(x509.load_pem_x509_certificate(certificate_file.read_bytes()))


def check_identity(settings: NodeSettings) -> None:
    """
    Check that the peer certificate is the one the other nodes know this node by.

    Raises:
        ConfigError: It cannot be read, its common name is not the node id, or its fingerprint is not the pinned one.
    """
    file = settings.tls.peer_certificate_file
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError("tls.peer_certificate_file", f"{file} cannot be used: {error}") from error
    names = [name.value for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    node_id = settings.cluster.node_id
    if names != [str(node_id)]:
        raise ConfigError("tls.peer_certificate_file", f"{file} is for {names}, not for node {node_id}")
    fingerprint = key_fingerprint(certificate)
    if fingerprint != settings.own.fingerprint:
        place = settings.cluster.peers.index(settings.own)
        raise ConfigError(
            f"cluster.peers[{place}].fingerprint",
            f"is not that of {file}, which is {fingerprint}: the other nodes would refuse this one",
        )


def client_facing_context(certificate: Path, key: Path, *, protocol: str = "") -> ssl.SSLContext:
    """
    Make the TLS context of listeners for clients: TLS 1.2 or newer, no client certificate.

    `protocol` is what the listener speaks, for clients that ask by ALPN: `xmpp-client` (XEP-0368 section 3).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if protocol:
        context.set_alpn_protocols([protocol])
    context.load_cert_chain(certificate, key)
    return context


def peer_contexts(certificate: Path, key: Path, authority: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """
    Make the TLS contexts of peer links, (accepting, dialling): TLS 1.3, both sides show a certificate of `authority`.

    Host names are not looked at: a peer is known by its node id and pinned fingerprint, wherever it runs.
    """
    contexts = []
    for protocol in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT):
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(authority)
        contexts.append(context)
    return contexts[0], contexts[1]


def _server_names(domain: str) -> list[str]:
    names = [domain, *(f"{service}.{domain}" for service in SERVICE_NAMES)]
    return names if domain == "localhost" else [*names, "localhost"]


def _ensure_authority(directory: Path, now: dt.datetime) -> _Pair:
    pair = _read_pair(directory, "ca")
    if pair is not None and _lives(pair.certificate, now):
        return pair
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Raftline development authority")])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(name, name, key.public_key(), now, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pair = _Pair(certificate, key)
    _write_pair(directory, "ca", pair)
    return pair


def _ensure_leaf(
    directory: Path,
    stem: str,
    common_name: str,
    names: list[x509.GeneralName],
    authority: _Pair,
    now: dt.datetime,
) -> CertificateFiles:
    files = CertificateFiles(directory / f"{stem}.pem", directory / f"{stem}.key")
    pair = _read_pair(directory, stem)
    if pair is not None and _fits(pair.certificate, names, authority.certificate, now):
        return files
    # A node is known by its key: a certificate that is renewed keeps it.
    key = pair.key if pair is not None else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    certificate = (
        _builder(subject, authority.certificate.subject, key.public_key(), now, LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    _write_pair(directory, stem, _Pair(certificate, key))
    return files


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now: dt.datetime,
    lifetime: dt.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))  # clocks of machines differ
        .not_valid_after(now + lifetime)
    )


def _lives(certificate: x509.Certificate, now: dt.datetime) -> bool:
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEWAL_MARGIN


def _fits(
    certificate: x509.Certificate, names: list[x509.GeneralName], authority: x509.Certificate, now: dt.datetime
) -> bool:
    """Tell whether a certificate is signed by the authority, names what it must and lives on."""
    try:
        certificate.verify_directly_issued_by(authority)
        present = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return list(present) == names and _lives(certificate, now)


def _read_pair(directory: Path, stem: str) -> _Pair | None:
    """Read a certificate and its key; None if either is missing, damaged or does not belong to the other."""
    try:
        certificate = x509.load_pem_x509_certificate((directory / f"{stem}.pem").read_bytes())
        key = serialization.load_pem_private_key((directory / f"{stem}.key").read_bytes(), password=None)
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        return None
    return _Pair(certificate, key)


def _write_pair(directory: Path, stem: str, pair: _Pair) -> None:
    key_text = pair.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(directory / f"{stem}.key", key_text)
    write_private(directory / f"{stem}.pem", pair.certificate.public_bytes(serialization.Encoding.PEM))


def write_private(file: Path, content: bytes) -> None:
    """Replace a file in one step, readable by its owner alone (0600)."""
    draft = file.with_name(f"{file.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
