"""What a node answers to input that breaks the rules: the RFC's own errors, never silence, and nobody else is hurt."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from integration.cluster_process import Cluster
from integration.xmpp_raw import (
    NS_CLIENT,
    NS_SASL,
    NS_STANZA_ERROR,
    NS_STREAM,
    NS_STREAM_ERROR,
    RawClient,
    StreamEndedError,
    condition_of,
    register,
)

pytestmark = pytest.mark.timeout(90)

STANZA_BYTES_MAX = 256 * 1024
HEADER = f"<stream:stream to='localhost' version='1.0' xmlns='{NS_CLIENT}' xmlns:stream='{NS_STREAM}'>"

# What is written on a fresh connection: the stream error that must follow (RFC 6120 section 4.9.3).
BEFORE_LOGIN = {
    "not XML": ("GET / HTTP/1.1\r\n\r\n", {"not-well-formed"}),
    "tags that do not match": (f"{HEADER}<a></b>", {"not-well-formed"}),
    "a document type": (f"<!DOCTYPE x [<!ENTITY a 'b'>]>{HEADER}", {"restricted-xml", "not-well-formed"}),
    "a comment": (f"{HEADER}<!-- hello -->", {"restricted-xml"}),
    "a processing instruction": (f"{HEADER}<?php hello ?>", {"restricted-xml"}),
    "another host": (HEADER.replace("localhost", "elsewhere.example"), {"host-unknown"}),
    "another stream namespace": (HEADER.replace(NS_STREAM, "urn:example:streams"), {"invalid-namespace"}),
    "another content namespace": (HEADER.replace(NS_CLIENT, "urn:example:content"), {"invalid-namespace"}),
    "a message before login": (f"{HEADER}<message to='anna@localhost'><body>x</body></message>", {"not-authorized"}),
    "an endless attribute": (f"{HEADER}<auth a='{'x' * (STANZA_BYTES_MAX + 1)}", {"policy-violation"}),
}

# What is written after login: the same.
AFTER_LOGIN = {
    "tags that do not match": ("<message><body></message>", {"not-well-formed"}),
    "a reference to an entity": ("<message><body>&unknown;</body></message>", {"not-well-formed", "restricted-xml"}),
    "an unknown element": ("<letter xmlns='urn:example:post'/>", {"unsupported-stanza-type"}),
    "a stanza over the limit": (
        f"<message to='anna@localhost'><body>{'x' * (STANZA_BYTES_MAX + 1)}</body></message>",
        {"policy-violation"},
    ),
    "somebody else's sender": (
        "<message from='bert@localhost/x' to='anna@localhost'><body>x</body></message>",
        {"invalid-from"},
    ),
}


async def test_streams_end_with_the_standard_error(cluster_folder: Path) -> None:
    """Each break of the rules ends its own stream with its own condition; another client is not disturbed."""
    async with Cluster(cluster_folder, node_count=1) as single:
        port = single.node(1).xmpp
        await register(port, "anna", "secret-1")
        async with RawClient() as witness:
            await witness.log_in(port, "anna", "secret-1", resource="witness")
            for name, (text, expected) in BEFORE_LOGIN.items():
                async with RawClient() as client:
                    await client.connect_socket(port)
                    client.write(text)
                    assert await condition_at_end(client) in expected, name
            for name, (text, expected) in AFTER_LOGIN.items():
                async with RawClient() as client:
                    await client.log_in(port, "anna", "secret-1", resource="breaker")
                    client.write(text)
                    assert await client.wait_end(10) in expected, name
                    assert client.has_stream_closed, f"{name}: the socket was closed without closing the stream"
            await witness.wait_acked(witness.send_chat("anna@localhost", "undisturbed", "undisturbed"))


async def test_stanzas_that_cannot_be_handled_get_an_error(cluster_folder: Path) -> None:
    """An unknown request, an unknown user and a malformed address get stanza errors; the stream lives on."""
    async with Cluster(cluster_folder, node_count=1) as single:
        port = single.node(1).xmpp
        await register(port, "anna", "secret-1")
        async with RawClient() as client:
            await client.log_in(port, "anna", "secret-1")
            unknown = await client.ask("get", "<query xmlns='urn:example:unknown'/>")
            assert stanza_condition(unknown) == "service-unavailable"
            to_nobody = await client.ask("get", "<query xmlns='urn:example:unknown'/>", to="nemo@localhost")
            assert stanza_condition(to_nobody) == "service-unavailable"
            malformed = await client.ask("get", "<query xmlns='urn:example:unknown'/>", to="@@@")
            assert stanza_condition(malformed) == "jid-malformed"
            client.send("<message to='nemo@localhost' id='m1' type='chat'><body>hello?</body></message>")
            refused = await client.wait_stanza(lambda stanza: stanza.get("id") == "m1")
            assert stanza_condition(refused) in {"service-unavailable", "item-not-found"}
            await client.wait_acked(client.send_chat("anna@localhost", "alive", "alive"))


async def test_authentication_gone_wrong_is_told_and_bounded(cluster_folder: Path) -> None:
    """Nonsense in SASL gets its failure; a client that keeps guessing is cut off (RFC 6120 section 6.4.4)."""
    async with Cluster(cluster_folder, node_count=1) as single:
        port = single.node(1).xmpp
        async with RawClient() as client:
            await client.connect(port)
            client.write(f"<auth xmlns='{NS_SASL}' mechanism='NO-SUCH'>=</auth>")
            assert condition_of(await client.read_element(), NS_SASL) == "invalid-mechanism"
            client.write(f"<auth xmlns='{NS_SASL}' mechanism='SCRAM-SHA-256'>***</auth>")
            assert condition_of(await client.read_element(), NS_SASL) in {"incorrect-encoding", "malformed-request"}
            client.write(f"<auth xmlns='{NS_SASL}' mechanism='SCRAM-SHA-256'>AAAA</auth>")
            assert condition_of(await client.read_element(), NS_SASL) in {"malformed-request", "not-authorized"}
            with pytest.raises(StreamEndedError):
                await guess(client, 20)


async def guess(client: RawClient, count: int) -> None:
    """Begin authentication again and again, and read what comes back."""
    for _ in range(count):
        client.write(f"<auth xmlns='{NS_SASL}' mechanism='SCRAM-SHA-256'>AAAA</auth>")
        await client.read_element()


async def condition_at_end(client: RawClient) -> str:
    """Read until the stream ends; returns the stream error's condition."""
    condition = ""
    while True:
        try:
            element = await client.read_element()
        except StreamEndedError:
            return condition
        if element.tag == f"{{{NS_STREAM}}}error":
            condition = condition_of(element, NS_STREAM_ERROR)


def stanza_condition(stanza: ET.Element) -> str:
    """The condition of a stanza error, or an empty string."""
    error = stanza.find(f"{{{NS_CLIENT}}}error")
    return "" if error is None else condition_of(error, NS_STANZA_ERROR)
