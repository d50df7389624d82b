"""Where clients find the service: XEP-0156 and XEP-0487."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import httpx2
import pytest

from raftline.web.host_meta import HostMeta, bosh_url, websocket_url
from raftline.xmpp.xeps.xep_0487_host_meta_2 import HostMeta2, PublishedHost
from web.application import HTTP_URLS, WEBSOCKETS, Application

WEBSOCKET = "urn:xmpp:alt-connections:websocket"
BOSH = "urn:xmpp:alt-connections:xbosh"
DIRECT_TLS = "urn:xmpp:alt-connections:tls"
LINKS = [*((WEBSOCKET, url) for url in WEBSOCKETS), *((BOSH, f"{url}/http-bind") for url in HTTP_URLS)]
PIN = "4/mggdlVx8A3pvHAWW5sD+qJyMtUHgiRuPjVC48N0XQ="


class TestXep0156:
    """Two files say where WebSocket and BOSH are."""

    async def test_section_22_both_formats(self, client: httpx2.AsyncClient) -> None:
        """XRD, which must be there, and JRD tell the same."""
        xrd = await client.get("/.well-known/host-meta")
        assert xrd.headers["content-type"].startswith("application/xrd+xml")
        links = ET.fromstring(xrd.text).findall("{http://docs.oasis-open.org/ns/xri/xrd-1.0}Link")
        assert [(link.get("rel"), link.get("href")) for link in links] == LINKS
        jrd = await client.get("/.well-known/host-meta.json")
        assert jrd.headers["content-type"] == "application/json"
        assert jrd.json() == {"links": [{"rel": relation, "href": url} for relation, url in LINKS]}

    async def test_section_3_pages_of_other_sites(self, client: httpx2.AsyncClient) -> None:
        """They may read these two files and no others."""
        for path in ("/.well-known/host-meta", "/.well-known/host-meta.json"):
            assert (await client.get(path)).headers["access-control-allow-origin"] == "*"
        for path in ("/", "/client-config.json", "/healthz"):
            assert "access-control-allow-origin" not in (await client.get(path)).headers

    def test_section_22_secure_stays_secure(self) -> None:
        """Addresses follow those of HTTP."""
        assert websocket_url("https://one.example.org:5443") == "wss://one.example.org:5443/xmpp-websocket"
        assert websocket_url("http://127.0.0.1:15002") == "ws://127.0.0.1:15002/xmpp-websocket"
        assert bosh_url("https://one.example.org:5443") == "https://one.example.org:5443/http-bind"

    async def test_bosh_is_where_it_says(self, client: httpx2.AsyncClient) -> None:
        """The path of the link is that of the route."""
        path = httpx2.URL(bosh_url("http://test")).path
        assert (await client.post(path)).text == "<body/>"

    def test_addresses_are_escaped(self) -> None:
        """Whatever a node is called, the file stays XML."""
        from raftline.xmpp.xeps.xep_0156_alternative_connections import write_xrd

        text = write_xrd(HostMeta(lambda: ("https://a'b&c",)).links())
        assert ET.fromstring(text)[1].get("href") == "https://a'b&c/http-bind"


def published(*, pins: tuple[str, ...] = ()) -> HostMeta2:
    """One of the two hosts of the application is named, and one that has no HTTP."""
    return HostMeta2(
        3_000,
        pins,
        (
            PublishedHost("127.0.0.1", ("127.0.0.1", "::1"), 0, 15, 50),
            PublishedHost("xmpp.example.org", ("192.0.2.1",), 5223, 10, 60),
        ),
    )


class TestXep0487:
    """One file says all, where the operator has named addresses."""

    async def test_section_21_fields(self, static_directory: Path) -> None:
        """The object `xmpp`, what belongs to each link, and direct TLS by its port."""
        async with Application(static_directory, published=published(pins=(PIN,))).client(None) as client:
            file = (await client.get("/.well-known/host-meta.json")).json()
        assert file["xmpp"] == {"ttl": 3_000, "public-key-pins-sha-256": [PIN]}
        where = {"priority": 15, "weight": 50, "sni": "127.0.0.1", "ips": ["127.0.0.1", "::1"]}
        assert file["links"] == [
            *({"rel": relation, "href": url, **where} for relation, url in LINKS),
            {
                "rel": DIRECT_TLS,
                "port": 5223,
                "priority": 10,
                "weight": 60,
                "sni": "xmpp.example.org",
                "ips": ["192.0.2.1"],
            },
        ]

    async def test_section_21_pins_are_optional(self, static_directory: Path) -> None:
        """Without pins there is no list of them."""
        async with Application(static_directory, published=published()).client(None) as client:
            file = (await client.get("/.well-known/host-meta.json")).json()
        assert file["xmpp"] == {"ttl": 3_000}

    @pytest.mark.parametrize("path", ["/.well-known/host-meta.json", "/.well-known/host-meta"])
    async def test_section_34_older_readers(self, static_directory: Path, path: str) -> None:
        """Those of XEP-0156 find what they did before; the XML file is untouched."""
        async with Application(static_directory, published=published()).client(None) as client:
            reply = await client.get(path)
        for _, url in LINKS:
            assert url in reply.text
        assert ("5223" in reply.text) is path.endswith("json")

    async def test_a_host_that_was_not_named(self, static_directory: Path) -> None:
        """Its links stay as they were."""
        other = HostMeta2(60, (), (PublishedHost("elsewhere", ("192.0.2.1",), 0, 0, 0),))
        async with Application(static_directory, published=other).client(None) as client:
            file = (await client.get("/.well-known/host-meta.json")).json()
        assert file["links"] == [{"rel": relation, "href": url} for relation, url in LINKS]
