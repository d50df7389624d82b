"""
SCRAM on the server's side, with and without channel binding (RFC 5802, RFC 7677).

    client                                            server
    n,,n=user,r=fyko+d2l…                       ──>   ScramExchange.receive_first     (then: ask for the credentials)
    r=fyko+d2l…3rfcNHY…,s=QSXCR…,i=10000,h=…    <──   ScramExchange.challenge
    c=biws,r=fyko+d2l…3rfcNHY…,p=v0X8v3Bz…      ──>   ScramExchange.receive_final
    v=rmF9pqV8S7suAoZWja4dJRkFsKQ=              <──

The first letter says what the client holds of channel binding (section 6): `p=type` binds, which goes with the -PLUS
mechanisms alone; `n` cannot; `y` could, but was offered nothing to bind to. Where that was offered, somebody took it
out of the offer, and the exchange fails. `h` proves the whole offer to the client (XEP-0474).

An account that does not exist goes the whole way as one that does, under a salt made from its name and a key of the
cluster, and fails where a wrong password fails: nobody learns who has an account. Kept libraries ask for credentials
inside their first step, where this package may not wait, and refuse every authorization identity, so the hundred
lines are ours; tests run a foreign client against them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from raftline.machine.commands import Credential
from raftline.xmpp.jid import JID
from raftline.xmpp.sasl import (
    SCRAM_HASHES,
    SASLFailed,
    check_authorization,
    decode_base64,
    decoded_text,
    decoy_credential,
    find_credential,
    prepared_name,
)

PLUS: Final = "-PLUS"
"""End of the names of mechanisms that bind to the channel (RFC 5802 section 4)."""

NONCE_BYTES: Final = 18

_CLIENT_FIRST: Final = re.compile(r"(?P<gs2>(?P<flag>[ny]|p=[^,]*),(?:a=(?P<authzid>[^,]+))?,)(?P<bare>.*)", re.DOTALL)
_CLIENT_FIRST_BARE: Final = re.compile(r"n=(?P<name>[^,]+),r=(?P<nonce>[!-+\--~]+)(?:,.*)?", re.DOTALL)
_CLIENT_FINAL: Final = re.compile(
    r"(?P<without>c=(?P<binding>[^,]*),r=(?P<nonce>[!-+\--~]+)(?:,.*)?),p=(?P<proof>[^,]+)", re.DOTALL
)


class Offer(NamedTuple):
    """
    What a client was offered to authenticate by.

    Attributes:
        mechanisms: Those of the profile of SASL it uses, the preferred one first.
        bindings: Data of each type of channel binding that was announced.
    """

    mechanisms: tuple[str, ...] = ()
    bindings: Mapping[str, bytes] = MappingProxyType({})

    @property
    def has_plus(self) -> bool:
        """Whether it contains a mechanism that binds to the channel."""
        return any(mechanism.endswith(PLUS) for mechanism in self.mechanisms)


class ScramExchange:
    """
    One exchange of SCRAM.

    Args:
        mechanism: A key of `SCRAM_HASHES`, or one with `PLUS` behind it.
        domain: Of the service, for authorization identities.
        nonce: `NONCE_BYTES` of chance.
        decoy_key: The cluster's key for salts of accounts that do not exist.
        offer: What the client was offered.
        downgrade_hash: Proves the offer to the client (XEP-0474); empty for no proof.
        claimed: As in `check_authorization`.

    Source: RFC 5802 sections 3, 5, 6, 7.
    """

    __slots__ = (
        "_bare",
        "_binding",
        "_claimed",
        "_credential",
        "_decoy_key",
        "_domain",
        "_downgrade_hash",
        "_is_plus",
        "_mechanism",
        "_nonce",
        "_offer",
        "_server_first",
        "localpart",
    )

    def __init__(
        self,
        mechanism: str,
        *,
        domain: str,
        nonce: bytes,
        decoy_key: bytes,
        offer: Offer,
        downgrade_hash: str = "",
        claimed: JID | None = None,
    ) -> None:
        self._is_plus = mechanism.endswith(PLUS)
        self._mechanism = mechanism.removesuffix(PLUS)
        self._domain = domain
        self._nonce = b64encode(nonce).decode()
        self._decoy_key = decoy_key
        self._offer = offer
        self._downgrade_hash = downgrade_hash
        self._claimed = claimed
        self._binding = ""
        self._bare = ""
        self._server_first = ""
        self._credential: Credential | None = None
        self.localpart = ""
        """The prepared name that asks to be authenticated."""

    def receive_first(self, data: bytes) -> None:
        """
        Take the client's first message; `localpart` is known then.

        Raises:
            SASLFailed: `malformed-request`, `invalid-authzid`; `not-authorized` for an offer that somebody changed.
        """
        match = _CLIENT_FIRST.fullmatch(decoded_text(data))
        bare = match and _CLIENT_FIRST_BARE.fullmatch(match["bare"])
        if match is None or bare is None:
            raise SASLFailed("malformed-request")  # that includes m=, an extension that is unknown to us
        bound = match["gs2"].encode() + self._channel_data(match["flag"])
        self._binding = b64encode(bound).decode()
        self._bare = match["bare"]
        self._nonce = bare["nonce"] + self._nonce
        self.localpart = prepared_name(_decoded_name(bare["name"]))
        if match["authzid"] is not None:
            check_authorization(_decoded_name(match["authzid"]), self.localpart, self._domain, self._claimed)

    def _channel_data(self, flag: str) -> bytes:
        """Return the data of the channel that the client binds to, none if it does not (RFC 5802 section 6)."""
        if flag.startswith("p=") is not self._is_plus:
            raise SASLFailed("malformed-request", "Channel binding goes with the PLUS mechanisms, and they with it.")
        if flag == "y" and self._offer.has_plus:
            raise SASLFailed("not-authorized", "Channel binding was offered: somebody has changed the offer.")
        if not self._is_plus:
            return b""
        data = self._offer.bindings.get(flag.removeprefix("p="))
        if data is None:
            raise SASLFailed("malformed-request", "This type of channel binding is not offered.")
        return data

    def challenge(self, credentials: tuple[Credential, ...]) -> bytes:
        """Take what is kept of the account, empty if there is none, and return the server's first message."""
        credential = find_credential(credentials, self._mechanism)
        self._credential = credential or decoy_credential(self._mechanism, self.localpart, self._decoy_key)
        salt = b64encode(self._credential.salt).decode()
        self._server_first = f"r={self._nonce},s={salt},i={self._credential.iterations}"
        if self._downgrade_hash:
            self._server_first += f",h={self._downgrade_hash}"
        return self._server_first.encode()

    def receive_final(self, data: bytes) -> bytes:
        """
        Take the client's final message and return the server's, which proves that it knows the account too.

        Raises:
            SASLFailed: `malformed-request`, `not-authorized`.
        """
        credential = self._credential
        assert credential is not None, "the challenge comes first"
        match = _CLIENT_FINAL.fullmatch(decoded_text(data))
        if match is None:
            raise SASLFailed("malformed-request")
        proof = decode_base64(match["proof"])
        signed = f"{self._bare},{self._server_first},{match['without']}".encode()
        hash_name = SCRAM_HASHES[self._mechanism]
        signature = hmac.digest(credential.stored_key, signed, hash_name)
        if len(proof) != len(signature):
            raise SASLFailed("malformed-request")
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        is_proven = hmac.compare_digest(hashlib.new(hash_name, client_key).digest(), credential.stored_key)
        is_bound = match["nonce"] == self._nonce and match["binding"] == self._binding
        if not (is_proven and is_bound):
            raise SASLFailed("not-authorized")
        return b"v=" + b64encode(hmac.digest(credential.server_key, signed, hash_name))


def _decoded_name(name: str) -> str:
    """Undo the escapes of commas and equals signs (RFC 5802 section 5.1, saslname)."""
    if "=" in name.replace("=2C", "").replace("=3D", ""):
        raise SASLFailed("malformed-request")
    return name.replace("=2C", ",").replace("=3D", "=")
