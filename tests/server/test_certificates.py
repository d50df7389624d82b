"""Certificates of development clusters: what they prove, and when they are made anew."""

from __future__ import annotations

import datetime as dt
import hashlib
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from raftline.server.certificates import (
    ClusterCertificates,
    client_facing_context,
    ensure_certificates,
    fingerprint_of,
    peer_contexts,
)

NOW = dt.datetime.now(dt.UTC)


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str | None) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Shake hands in memory; returns both sides. Raises SSLError when either refuses the other."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    accepting = server.wrap_bio(to_server, to_client, server_side=True)
    dialling = client.wrap_bio(to_client, to_server, server_hostname=name)
    waiting = [dialling, accepting]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue
        if not waiting:
            accepting.write(b"x")
            assert dialling.read(1) == b"x"  # under TLS 1.3 the client hears here that its certificate was refused
            return accepting, dialling
    raise AssertionError("the handshake does not end")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> ClusterCertificates:
    """Certificates of a cluster of two."""
    return ensure_certificates(tmp_path_factory.mktemp("certificates"), [1, 2], "chat.example.org", NOW)


@pytest.mark.parametrize(
    "name",
    ["chat.example.org", "conference.chat.example.org", "upload.chat.example.org", "localhost", "127.0.0.1", "::1"],
)
def test_clients_verify_the_server(certificates: ClusterCertificates, name: str) -> None:
    """A client that trusts the authority accepts the domain, its services and this machine's names."""
    trust = ssl.create_default_context(cafile=certificates.authority)
    handshake(client_facing_context(*certificates.server), trust, name)


def test_clients_may_ask_for_the_protocol(certificates: ClusterCertificates) -> None:
    """XEP-0368 3: who names xmpp-client by ALPN gets it; who names nothing, or another, is served all the same."""
    context = client_facing_context(*certificates.server, protocol="xmpp-client")
    for asked, selected in ((["xmpp-client"], "xmpp-client"), (["h2"], None), ([], None)):
        trust = ssl.create_default_context(cafile=certificates.authority)
        if asked:
            trust.set_alpn_protocols(asked)
        _, client = handshake(context, trust, "localhost")
        assert client.selected_alpn_protocol() == selected


def test_clients_refuse_other_names_and_strangers(certificates: ClusterCertificates, tmp_path: Path) -> None:
    """Another name, or another cluster's authority, does not verify."""
    context = client_facing_context(*certificates.server)
    trust = ssl.create_default_context(cafile=certificates.authority)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(context, trust, "other.example.org")
    stranger = ensure_certificates(tmp_path, [1], "chat.example.org", NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(context, ssl.create_default_context(cafile=stranger.authority), "chat.example.org")


def test_peers_verify_each_other(certificates: ClusterCertificates) -> None:
    """Both sides of a peer link see the other's certificate; its common name is the node id."""
    one, two = (peer_contexts(*certificates.nodes[node_id], certificates.authority) for node_id in (1, 2))
    accepting, dialling = handshake(one[0], two[1], None)
    for side, node_id in ((accepting, 2), (dialling, 1)):
        certificate = x509.load_der_x509_certificate(side.getpeercert(binary_form=True) or b"")
        assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == str(node_id)
        pinned = x509.load_pem_x509_certificate(certificates.nodes[node_id].certificate.read_bytes())
        assert certificate == pinned


def test_peers_refuse_who_has_no_certificate_or_another_authority(
    certificates: ClusterCertificates, tmp_path: Path
) -> None:
    """No certificate, and one of another cluster, are refused by the accepting side."""
    accepting = peer_contexts(*certificates.nodes[1], certificates.authority)[0]
    nobody = ssl.create_default_context(cafile=certificates.authority)
    nobody.check_hostname = False
    with pytest.raises(ssl.SSLError):
        handshake(accepting, nobody, None)
    stranger = ensure_certificates(tmp_path, [2], "chat.example.org", NOW)
    with pytest.raises(ssl.SSLError):
        handshake(accepting, peer_contexts(*stranger.nodes[2], certificates.authority)[1], None)


def test_what_fits_is_used_again_and_the_rest_made_anew(tmp_path: Path) -> None:
    """A restart keeps fingerprints; a new node gets its own; what is damaged, renamed or old is replaced."""
    first = ensure_certificates(tmp_path, [1, 2], "localhost", NOW)
    before = {node_id: fingerprint_of(files.certificate) for node_id, files in first.nodes.items()}
    second = ensure_certificates(tmp_path, [1, 2, 3], "localhost", NOW)
    assert {node_id: fingerprint_of(second.nodes[node_id].certificate) for node_id in (1, 2)} == before

    first.nodes[1].key.write_bytes(first.nodes[2].key.read_bytes())
    third = ensure_certificates(tmp_path, [1, 2, 3], "localhost", NOW)
    assert fingerprint_of(third.nodes[1].certificate) != before[1]
    assert fingerprint_of(third.nodes[2].certificate) == before[2]

    server = third.server.certificate.read_bytes()
    fourth = ensure_certificates(tmp_path, [1], "example.org", NOW)
    assert fourth.server.certificate.read_bytes() != server

    old = fourth.server.certificate.read_bytes()
    for days, renewed in ((818, False), (820, True)):
        later = ensure_certificates(tmp_path, [1], "example.org", NOW + dt.timedelta(days=days))
        assert (later.server.certificate.read_bytes() != old) == renewed
    assert fingerprint_of(later.nodes[1].certificate) == fingerprint_of(third.nodes[1].certificate), "a new key"


def test_keys_are_readable_by_their_owner_alone(certificates: ClusterCertificates) -> None:
    """Every file is 0600, the directory 0700 or narrower than the rest of the world."""
    for file in certificates.authority.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_a_fingerprint_is_the_hash_of_the_public_key(certificates: ClusterCertificates) -> None:
    """It belongs to the key, so that a renewed certificate keeps it."""
    files = certificates.nodes[1]
    key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert fingerprint_of(files.certificate) == hashlib.sha256(public).hexdigest()
