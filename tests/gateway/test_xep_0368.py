"""XEP-0368: TLS from the first byte, as clients ask for it that found `_xmpps-client` in the DNS."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.conftest import Service, Start
from gateway.raw_client import RawClient
from raftline.server.certificates import client_facing_context, ensure_certificates
from raftline.xmpp.xeps.xep_0368_direct_tls import CLIENT_PROTOCOL
from xmpp_core.playbook import HEADER

STARTTLS = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


@pytest_asyncio.fixture
async def secure(start: Start, tmp_path: Path) -> tuple[Service, Path]:
    """A service with the context that nodes have, and the authority to trust."""
    service = await start(allow_plaintext=False)
    certificates = ensure_certificates(tmp_path, [1], "localhost", dt.datetime.now(dt.UTC))
    context = client_facing_context(*certificates.server, protocol=CLIENT_PROTOCOL)
    service.gateway.reconfigure(tls_context=context, stanza_bytes_max=262_144, open_registration=False)
    return service, certificates.authority


async def dial(service: Service, authority: Path, protocols: list[str]) -> RawClient:
    trust = ssl.create_default_context(cafile=str(authority))
    if protocols:
        trust.set_alpn_protocols(protocols)
    client = await RawClient.connect(service.tls_port, tls=trust)
    service.clients.append(client)
    return client


class TestSection3:
    """3: how such a connection is made."""

    @pytest.mark.parametrize(
        ("asked", "agreed"), [(["xmpp-client"], "xmpp-client"), (["h2", "xmpp-client"], "xmpp-client"), ([], None)]
    )
    async def test_alpn(self, secure: tuple[Service, Path], asked: list[str], agreed: str | None) -> None:
        """A client may name the protocol, and gets what it named; one that names none is served as well."""
        client = await dial(*secure, asked)
        connection = client.writer.get_extra_info("ssl_object")
        assert connection.selected_alpn_protocol() == agreed
        await client.open()
        await client.log_in()

    async def test_the_stream_is_secure(self, secure: tuple[Service, Path]) -> None:
        """All mechanisms are offered where nothing is without TLS."""
        client = await dial(*secure, [])
        features = await client.open()
        assert b"<mechanism>PLAIN</mechanism>" in features

    async def test_no_starttls_within(self, secure: tuple[Service, Path]) -> None:
        """It is neither offered nor granted."""
        client = await dial(*secure, ["xmpp-client"])
        assert b"starttls" not in await client.open()
        client.send(STARTTLS)
        assert b"<unsupported-stanza-type" in await client.read_to_end()

    async def test_no_plain_text_at_this_port(self, secure: tuple[Service, Path]) -> None:
        """A client that sends XML where TLS is spoken gets no stream."""
        service, _ = secure
        client = await RawClient.connect(service.tls_port)
        service.clients.append(client)
        client.send(HEADER)
        assert b"<stream:stream" not in await client.read_to_end()
