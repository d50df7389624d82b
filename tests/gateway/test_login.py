"""Logins by SASL2 on real sockets, and channel binding over real TLS (RFC 5929 section 4)."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import pytest
import scramp
from cryptography.hazmat.primitives import hashes

from gateway.certificates import make_contexts
from gateway.conftest import Service, Start
from gateway.raw_client import RawClient, until
from raftline.base.errors import Refused
from raftline.gateway.tls import channel_bindings
from raftline.machine.versions import FEATURES_SINCE
from xmpp_core.playbook import PASSWORD, auth, payload, response
from xmpp_core.sasl2 import (
    END_POINT,
    NS_BIND2,
    NS_FAST,
    NS_SM,
    additional_data,
    authenticate,
    condition,
    hashed,
    identity,
    responder,
    success,
    tree,
)

PLAIN = b"\0alice\0" + PASSWORD.encode()
BIND = f"<bind xmlns='{NS_BIND2}'><tag>App</tag><enable xmlns='{NS_SM}' resume='true'/></bind>"
HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
ENDS = (b"</challenge>", b"</failure>", b"</success>")

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


@pytest.fixture(scope="module", params=list(HASHES))
def signed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Contexts]:
    """The hash function of a certificate's signature, and contexts that use it."""
    return request.param, make_contexts(tmp_path_factory.mktemp("tls"), HASHES[request.param])


async def connect(service: Service, *, direct_tls: bool) -> RawClient:
    """Connect with TLS, one way or the other, and open the stream."""
    client = await service.connect(direct_tls=direct_tls)
    if not direct_tls:
        await client.open()
        await client.start_tls(service.client_tls)
    await client.open()
    return client


def shown_certificate(client: RawClient) -> bytes:
    """Return the certificate that the client was shown, in DER."""
    layer = client.writer.get_extra_info("ssl_object")
    assert isinstance(layer, ssl.SSLObject)
    der = layer.getpeercert(binary_form=True)
    assert der is not None
    return der


async def log_in(client: RawClient, inline: str = "") -> bytes:
    """Log in by PLAIN; return the success, or the failure."""
    return await client.exchange(authenticate("PLAIN", PLAIN, inline), *ENDS)


async def scram_plus(client: RawClient, channel: bytes, *, classic: bool = False) -> bytes:
    """Log in by SCRAM with channel binding, with a client that is not ours."""
    name = "SCRAM-SHA-256-PLUS"
    scram = scramp.ScramClient([name], "alice", PASSWORD, channel_binding=(END_POINT, channel))
    first = scram.get_client_first().encode()
    challenge = await client.exchange(auth(name, first) if classic else authenticate(name, first), *ENDS)
    scram.set_server_first(payload(challenge).decode())
    final = scram.get_client_final().encode()
    return await client.exchange(
        response(final)
        if classic
        else response(final).replace(b"urn:ietf:params:xml:ns:xmpp-sasl", b"urn:xmpp:sasl:2"),
        *ENDS,
    )


@pytest.mark.parametrize("direct_tls", [True, False])
class TestChannelBinding:
    """RFC 5929 section 4.1, RFC 5802 section 6, over direct TLS and over STARTTLS."""

    @pytest.mark.parametrize("classic", [True, False])
    async def test_bound(self, start: Start, signed: tuple[str, Contexts], direct_tls: bool, classic: bool) -> None:
        """The hash of the certificate is by the function of its signature; both profiles of SASL take it."""
        name, contexts = signed
        client = await connect(await start(tls=contexts), direct_tls=direct_tls)
        assert b"<channel-binding type='tls-server-end-point'/>" in client.features
        channel = hashlib.new(name, shown_certificate(client)).digest()
        assert b"<success" in await scram_plus(client, channel, classic=classic)

    async def test_another_hash_function(self, start: Start, signed: tuple[str, Contexts], direct_tls: bool) -> None:
        """Hashed by another function it is another channel, as is another certificate."""
        name, contexts = signed
        client = await connect(await start(tls=contexts), direct_tls=direct_tls)
        der = shown_certificate(client)
        other = "sha512" if name == "sha256" else "sha256"
        for wrong in (hashlib.new(other, der).digest(), hashlib.new(name, der + b"x").digest()):
            assert condition(await scram_plus(client, wrong)) == "not-authorized"

    async def test_no_hash_function(self, start: Start, tmp_path: Path, direct_tls: bool) -> None:
        """A certificate whose signature names none has no end point to bind to, and the rest works."""
        contexts = make_contexts(tmp_path, None)
        assert channel_bindings(contexts[0]) == {}
        client = await connect(await start(tls=contexts), direct_tls=direct_tls)
        assert b"PLUS" not in client.features
        assert b"sasl-cb" not in client.features
        success(await log_in(client))

    async def test_renewed_certificate(self, start: Start, tmp_path: Path, direct_tls: bool) -> None:
        """After a change connections bind to the certificate that they were shown."""
        before, after = (make_contexts(tmp_path / name) for name in ("before", "after"))
        service = await start(tls=before)
        old = await connect(service, direct_tls=direct_tls)
        service.gateway.reconfigure(tls_context=after[0], stanza_bytes_max=262_144, open_registration=True)
        service.client_tls = after[1]
        new = await connect(service, direct_tls=direct_tls)
        assert shown_certificate(old) != shown_certificate(new)
        for client in (old, new):
            success(await scram_plus(client, hashlib.sha256(shown_certificate(client)).digest()))

    async def test_token(self, start: Start, tmp_path: Path, direct_tls: bool) -> None:
        """A token that is bound to the channel is good on another node, which shows another certificate."""
        one = await start(tls=make_contexts(tmp_path / "one"))
        two = await start(tls=make_contexts(tmp_path / "two"), node=one.node)
        client = await connect(one, direct_tls=direct_tls)
        sent = await log_in(client, f"<request-token xmlns='{NS_FAST}' mechanism='HT-SHA-256-ENDP'/>")
        token = success(sent)[-1].get("token", "")
        for service, is_right in ((one, True), (two, True), (two, False)):
            other = await connect(service, direct_tls=direct_tls)
            channel = hashlib.sha256(shown_certificate(other if is_right else client)).digest()
            request = authenticate("HT-SHA-256-ENDP", hashed(token, channel), f"<fast xmlns='{NS_FAST}'/>")
            reply = await other.exchange(request, *ENDS)
            if is_right:
                assert additional_data(reply) == responder(token, channel)
            else:
                assert condition(reply) == "not-authorized"


class TestInlineLogin:
    """What the gateway does for it."""

    async def test_bound_session_works(self, service: Service) -> None:
        """The session is this connection's: messages go out of it and come to it, and it ends with it."""
        client = await connect(service, direct_tls=True)
        jid = identity(await log_in(client, BIND))
        assert service.gateway.figures().bound_total == 1
        client.send(f"<message to='{jid}' type='chat' id='m'><body>me</body></message>".encode())
        assert f"from='{jid}'".encode() in await client.read_until(b"</message>")
        client.send(b"</stream:stream>")
        await client.read_to_end()
        await until(lambda: not service.node.sessions)

    async def test_resumed_session_works(self, service: Service) -> None:
        """A client that lost its connection goes on with its session in one round trip."""
        client = await connect(service, direct_tls=True)
        sent = await log_in(client, BIND)
        enabled = success(sent).find(f".//{{{NS_SM}}}enabled")
        assert enabled is not None
        client.close()
        await until(lambda: any(session.is_detached for session in service.node.sessions.values()))
        again = await connect(service, direct_tls=True)
        resume = f"<resume xmlns='{NS_SM}' h='0' previd='{enabled.get('id')}'/>"
        reply = await log_in(again, resume + BIND)
        assert identity(reply) == identity(sent)
        assert success(reply).find(f"{{{NS_SM}}}resumed") is not None
        assert service.gateway.figures().resumed_total == 1
        again.send(b"<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert b"type='result'" in await again.read_until(b"id='p'", b"/>")

    async def test_refused(self, service: Service) -> None:
        """What the replicated state refuses is a failure, and the next attempt on the stream may succeed."""
        client = await connect(service, direct_tls=True)
        service.node.login_refusal = Refused("temporary-auth-failure", "wait", "Too many.")
        assert condition(await log_in(client, BIND)) == "temporary-auth-failure"
        service.node.login_refusal = None
        assert identity(await log_in(client, BIND)).startswith("alice@localhost/App/")

    async def test_no_quorum(self, service: Service) -> None:
        """Without a majority nobody gets in (promise P6)."""
        client = await connect(service, direct_tls=True)
        service.node.is_available = False
        assert condition(await log_in(client, BIND)) == "temporary-auth-failure"

    async def test_without_session(self, service: Service) -> None:
        """A login that binds nothing leaves nothing behind, and the client binds as before."""
        client = await connect(service, direct_tls=True)
        assert identity(await log_in(client)) == "alice@localhost"
        assert not service.node.sessions

    async def test_cluster_that_is_being_upgraded(self, service: Service) -> None:
        """SASL2 is offered once all members understand what it needs."""
        service.node.machine_version = FEATURES_SINCE - 1
        client = await connect(service, direct_tls=True)
        assert b"urn:xmpp:sasl:2" not in client.features
        service.node.machine_version = FEATURES_SINCE
        client = await connect(service, direct_tls=True)
        assert b"urn:xmpp:sasl:2" in client.features

    async def test_plain_text(self, service: Service) -> None:
        """Without TLS it is neither offered nor done (XEP-0388 section 3)."""
        client = await service.connect()
        assert b"urn:xmpp:sasl:2" not in await client.open()
        assert tree(await log_in(client))[0].tag.endswith("encryption-required")
