"""A raw client that logs in by SASL2 over TLS, with all it wants at once (XEP-0388, XEP-0386, XEP-0198, XEP-0484)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
from pathlib import Path
from xml.etree import ElementTree as ET

from integration.xmpp_raw import NS_SASL, NS_SM, NS_STREAM, RawClient, condition_of

NS_SASL2 = "urn:xmpp:sasl:2"
NS_BIND2 = "urn:xmpp:bind:0"
NS_FAST = "urn:xmpp:fast:0"
NS_CARBONS = "urn:xmpp:carbons:2"
TAG = "Raw"


class LoginFailedError(Exception):
    """The server answered `<failure/>`; the text is its condition."""


class ModernClient(RawClient):
    """
    One stream.

    Attributes:
        client_id: Of the installation; the same over all its streams.
        success: What the server said last.
        token: The newest one of the server; empty while it gave none.
        resumption_id: Of the session; empty while it cannot be resumed.
        is_resumed: The stream goes on with an earlier session.
    """

    def __init__(self, username: str, client_id: str, domain: str = "localhost") -> None:
        super().__init__(domain)
        self.username = username
        self.client_id = client_id
        self.success = ET.Element("none")
        self.token = ""
        self.resumption_id = ""
        self.is_resumed = False

    async def connect_safely(self, port: int, ca_file: Path) -> None:
        """Connect by STARTTLS and read what is offered."""
        await self.connect(port)
        await self.start_tls(ca_file)

    async def log_in_by_password(self, password: str, token_mechanism: str = "") -> None:
        """Bind with stream management and carbons; ask for a token for this mechanism."""
        wanted = f"<request-token xmlns='{NS_FAST}' mechanism='{token_mechanism}'/>" if token_mechanism else ""
        initial = f"\0{self.username}\0{password}".encode()
        await self._log_in("PLAIN", initial, wanted + self._bind())

    async def log_in_by_token(self, mechanism: str, token: str, *, resume: str = "", inline: str = "") -> None:
        """Use a token; go on with the session of this resumption id and count, `<resume/>`, or bind anew."""
        data = b"Initiator" + self._channel(mechanism)
        initial = self.username.encode() + b"\0" + hmac.digest(token.encode(), data, "sha256")
        await self._log_in(mechanism, initial, (inline or f"<fast xmlns='{NS_FAST}'/>") + resume + self._bind())
        answer = base64.b64decode(self.success.findtext(f"{{{NS_SASL2}}}additional-data") or "")
        assert answer == hmac.digest(token.encode(), b"Responder" + self._channel(mechanism), "sha256")

    def _bind(self) -> str:
        features = f"<enable xmlns='{NS_SM}' resume='true'/><enable xmlns='{NS_CARBONS}'/>"
        return f"<bind xmlns='{NS_BIND2}'><tag>{TAG}</tag>{features}</bind>"

    def _channel(self, mechanism: str) -> bytes:
        """The certificate that the server showed, hashed (RFC 5929 section 4.1); ours are signed with SHA-256."""
        if mechanism.endswith("-NONE"):
            return b""
        layer = self._writer.get_extra_info("ssl_object")
        assert isinstance(layer, ssl.SSLObject)
        return hashlib.sha256(layer.getpeercert(binary_form=True) or b"").digest()

    async def _log_in(self, mechanism: str, initial: bytes, inline: str) -> None:
        data = base64.b64encode(initial).decode()
        self.write(
            f"<authenticate xmlns='{NS_SASL2}' mechanism='{mechanism}'><initial-response>{data}</initial-response>"
            f"<user-agent id='{self.client_id}'/>{inline}</authenticate>"
        )
        self.success = success = await self.read_element()
        if success.tag != f"{{{NS_SASL2}}}success":
            raise LoginFailedError(condition_of(success, NS_SASL))
        self.jid = success.findtext(f"{{{NS_SASL2}}}authorization-identifier") or ""
        token = success.find(f"{{{NS_FAST}}}token")
        self.token = "" if token is None else token.get("token", "")
        resumed = success.find(f"{{{NS_SM}}}resumed")
        self.is_resumed = resumed is not None
        if resumed is not None:
            self.resumption_id = resumed.get("previd", "")
        else:
            enabled = success.find(f".//{{{NS_SM}}}enabled")
            assert enabled is not None, ET.tostring(success)
            self.resumption_id = enabled.get("id", "")
            features = await self.read_element()
            assert features.tag == f"{{{NS_STREAM}}}features", ET.tostring(features)
        self._is_counting = True
        self.start_pump()
