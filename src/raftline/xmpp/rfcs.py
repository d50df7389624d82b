"""The RFCs this service implements: more than a module each, so they are declared here and not beside handlers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rfc:
    """
    An RFC, as the page of claims and the DOAP file tell it.

    Attributes:
        number: As in `RFC 6120`.
        files: Where it is implemented, under `src/raftline`.
        note: What is not done, or why; one sentence.
    """

    number: int
    title: str
    files: tuple[str, ...]
    note: str = ""


RFCS: Final = (
    Rfc(4616, "The PLAIN SASL Mechanism", ("xmpp/sasl_plain.py",), "Under TLS alone."),
    Rfc(5802, "SCRAM SASL Mechanisms", ("xmpp/sasl_scram.py", "xmpp/sasl.py")),
    Rfc(
        6120,
        "XMPP: Core",
        ("xmpp/negotiation.py", "xmpp/stream.py", "xmpp/xmlstream.py", "xmpp/authentication.py", "xmpp/dispatch.py"),
        "Streams of clients; there is no federation.",
    ),
    Rfc(
        6121,
        "XMPP: Instant Messaging and Presence",
        ("xmpp/roster.py", "xmpp/presence.py", "xmpp/subscriptions.py", "xmpp/messages.py"),
    ),
    Rfc(7395, "An XMPP Subprotocol for WebSocket", ("xmpp/framing.py",)),
    Rfc(7590, "Use of TLS in XMPP", ("server/certificates.py", "gateway/tls.py")),
    Rfc(7622, "XMPP: Address Format", ("xmpp/jid.py",)),
    Rfc(7677, "SCRAM-SHA-256", ("xmpp/sasl_scram.py", "xmpp/sasl.py")),
)
"""In the order of their numbers."""
