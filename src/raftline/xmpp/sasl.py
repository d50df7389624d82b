"""
The server's side of SASL: SCRAM-SHA-256, SCRAM-SHA-1 and PLAIN (RFC 5802, RFC 7677, RFC 4616).

    client                                            server
    n,,n=user,r=fyko+d2l…                       ──>   ScramExchange.receive_first     (then: ask for the credentials)
    r=fyko+d2l…3rfcNHY…,s=QSXCR…,i=10000        <──   ScramExchange.challenge
    c=biws,r=fyko+d2l…3rfcNHY…,p=v0X8v3Bz…      ──>   ScramExchange.receive_final
    v=rmF9pqV8S7suAoZWja4dJRkFsKQ=              <──

An account that does not exist goes the whole way as one that does, under a salt made from its name and a key of the
cluster, and fails where a wrong password fails: nobody learns who has an account. Kept libraries ask for credentials
inside their first step, where this package may not wait, and refuse every authorization identity, so the hundred
lines are ours; tests run a foreign client against them.

Passwords are prepared by SASLprep, as SCRAM and therefore the clients do it (RFC 4013, RFC 5802 section 2.2);
characters newer than its tables pass, or nobody could have an emoji in a password.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import stringprep
import unicodedata
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from typing import Final

from raftline.base.errors import RemoteProtocolError
from raftline.machine.commands import Credential
from raftline.xmpp.jid import parse_jid, prepare_local

SCRAM_HASHES: Final = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}
"""Mechanisms and their hash functions, the preferred one first."""

ITERATION_COUNT: Final = 10_000
"""Of PBKDF2; at least 4,096 (RFC 7677 section 4). About 3 ms of a core for each hash."""

SALT_BYTES: Final = 16
NONCE_BYTES: Final = 18
PASSWORD_BYTES_MAX: Final = 1024
MESSAGE_BYTES_MAX: Final = 4096
"""Of one decoded message of a client; names take 1,023 bytes, passwords 1,024."""

_CLIENT_FIRST: Final = re.compile(r"(?P<gs2>(?P<flag>[ny]|p=[^,]*),(?:a=(?P<authzid>[^,]+))?,)(?P<bare>.*)", re.DOTALL)
_CLIENT_FIRST_BARE: Final = re.compile(r"n=(?P<name>[^,]+),r=(?P<nonce>[!-+\--~]+)(?:,.*)?", re.DOTALL)
_CLIENT_FINAL: Final = re.compile(
    r"(?P<without>c=(?P<binding>[^,]*),r=(?P<nonce>[!-+\--~]+)(?:,.*)?),p=(?P<proof>[^,]+)", re.DOTALL
)


class SASLFailed(RemoteProtocolError):
    """
    Authentication failed.

    Attributes:
        condition: Of RFC 6120 section 6.5, such as `not-authorized`.
    """

    def __init__(self, condition: str) -> None:
        super().__init__(condition)
        self.condition = condition


class ScramExchange:
    """
    One exchange of SCRAM, without channel binding.

    Args:
        mechanism: A key of `SCRAM_HASHES`.
        domain: Of the service, for authorization identities.
        nonce: `NONCE_BYTES` of chance.
        decoy_key: The cluster's key for salts of accounts that do not exist.

    Source: RFC 5802 sections 3, 5, 7.
    """

    __slots__ = (
        "_bare",
        "_credential",
        "_decoy_key",
        "_domain",
        "_gs2",
        "_mechanism",
        "_nonce",
        "_server_first",
        "localpart",
    )

    def __init__(self, mechanism: str, *, domain: str, nonce: bytes, decoy_key: bytes) -> None:
        self._mechanism = mechanism
        self._domain = domain
        self._nonce = b64encode(nonce).decode()
        self._decoy_key = decoy_key
        self._gs2 = ""
        self._bare = ""
        self._server_first = ""
        self._credential: Credential | None = None
        self.localpart = ""
        """The prepared name that asks to be authenticated."""

    def receive_first(self, data: bytes) -> None:
        """
        Take the client's first message; `localpart` is known then.

        Raises:
            SASLFailed: `malformed-request`, `invalid-authzid`.
        """
        match = _CLIENT_FIRST.fullmatch(_decoded_text(data))
        bare = match and _CLIENT_FIRST_BARE.fullmatch(match["bare"])
        if match is None or bare is None or match["flag"].startswith("p"):
            # p= is a channel binding, which only mechanisms on offer with -PLUS have; m= is an extension unknown to us.
            raise SASLFailed("malformed-request")
        self._gs2 = match["gs2"]
        self._bare = match["bare"]
        self._nonce = bare["nonce"] + self._nonce
        self.localpart = _prepared_name(_decoded_name(bare["name"]))
        if match["authzid"] is not None:
            check_authorization(_decoded_name(match["authzid"]), self.localpart, self._domain)

    def challenge(self, credentials: tuple[Credential, ...]) -> bytes:
        """Take what is kept of the account, empty if there is none, and return the server's first message."""
        credential = find_credential(credentials, self._mechanism)
        self._credential = credential or decoy_credential(self._mechanism, self.localpart, self._decoy_key)
        salt = b64encode(self._credential.salt).decode()
        self._server_first = f"r={self._nonce},s={salt},i={self._credential.iterations}"
        return self._server_first.encode()

    def receive_final(self, data: bytes) -> bytes:
        """
        Take the client's final message and return the server's, which proves that it knows the account too.

        Raises:
            SASLFailed: `malformed-request`, `not-authorized`.
        """
        credential = self._credential
        assert credential is not None, "the challenge comes first"
        match = _CLIENT_FINAL.fullmatch(_decoded_text(data))
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
        is_bound = match["nonce"] == self._nonce and match["binding"] == b64encode(self._gs2.encode()).decode()
        if not (is_proven and is_bound):
            raise SASLFailed("not-authorized")
        return b"v=" + b64encode(hmac.digest(credential.server_key, signed, hash_name))


def parse_plain(data: bytes, domain: str) -> tuple[str, str]:
    """
    Read a PLAIN message, `authzid NUL authcid NUL password`, and return the prepared name and the password.

    Raises:
        SASLFailed: `malformed-request`, `invalid-authzid`.

    Source: RFC 4616 section 2.
    """
    parts = _decoded_text(data).split("\0")
    if len(parts) != 3 or not parts[1] or not parts[2]:
        raise SASLFailed("malformed-request")
    localpart = _prepared_name(parts[1])
    if parts[0]:
        check_authorization(parts[0], localpart, domain)
    return localpart, parts[2]


def check_authorization(identity: str, localpart: str, domain: str) -> None:
    """
    Check that who wants to act is who authenticates; acting for others is not offered.

    Raises:
        SASLFailed: `invalid-authzid`.

    Source: RFC 6120 section 6.3.8: the identity is a bare JID.
    """
    try:
        jid = parse_jid(identity)
    except ValueError as error:
        raise SASLFailed("invalid-authzid") from error
    if (jid.local, jid.domain, jid.resource) != (localpart, domain, ""):
        raise SASLFailed("invalid-authzid")


def decode_base64(text: str) -> bytes:
    """
    Decode base64 as SASL profiles of XMPP want it: no whitespace, padded.

    Raises:
        SASLFailed: `incorrect-encoding`.

    Source: RFC 6120 sections 6.4.2, 6.5.5, 13.9.1.
    """
    try:
        return b64decode(text.encode("ascii"), validate=True)
    except (Base64Error, UnicodeEncodeError) as error:
        raise SASLFailed("incorrect-encoding") from error


def prepare_password(password: str) -> str:
    """
    Prepare a password by SASLprep.

    Raises:
        ValueError: It is empty, too long or has characters that no password may have.

    Source: RFC 4013 section 2.
    """
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in password if not stringprep.in_table_b1(char)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    if not prepared or len(prepared.encode()) > PASSWORD_BYTES_MAX:
        raise ValueError("the password is empty or too long")
    if any(_is_prohibited(char) for char in prepared):
        raise ValueError("a character that no password may have")
    if any(map(stringprep.in_table_d1, prepared)) and (
        any(map(stringprep.in_table_d2, prepared))
        or not (stringprep.in_table_d1(prepared[0]) and stringprep.in_table_d1(prepared[-1]))
    ):
        raise ValueError("text of both directions is mixed")
    return prepared


def derive_credentials(
    password: str, salt_source: Callable[[int], bytes], iterations: int = ITERATION_COUNT
) -> tuple[Credential, ...]:
    """
    Make what a server keeps of a password, for each mechanism.

    Args:
        salt_source: Gives that many bytes of chance.

    Raises:
        ValueError: No password of this kind can be used.

    Limits: about 3 ms of a core for each mechanism at 10,000 iterations; call it off the loop.
    """
    prepared = prepare_password(password).encode()
    return tuple(_derive(mechanism, prepared, salt_source(SALT_BYTES), iterations) for mechanism in SCRAM_HASHES)


def check_password(password: str, credential: Credential) -> bool:
    """Compare a password, as a client sent it, with what is kept; costs as much as `derive_credentials` for one."""
    try:
        prepared = prepare_password(password).encode()
    except ValueError:
        return False
    derived = _derive(credential.mechanism, prepared, credential.salt, credential.iterations)
    return hmac.compare_digest(derived.stored_key, credential.stored_key)


def find_credential(credentials: tuple[Credential, ...], mechanism: str) -> Credential | None:
    """Return the credential for a mechanism, or None."""
    return next((credential for credential in credentials if credential.mechanism == mechanism), None)


def decoy_credential(mechanism: str, localpart: str, decoy_key: bytes) -> Credential:
    """Make a credential that no password fits, the same whenever it is asked for."""

    def chance(purpose: str, count: int) -> bytes:
        return hashlib.blake2b(f"{purpose} {mechanism} {localpart}".encode(), key=decoy_key, digest_size=count).digest()

    size = hashlib.new(SCRAM_HASHES[mechanism]).digest_size
    return Credential(
        mechanism, chance("salt", SALT_BYTES), ITERATION_COUNT, chance("stored", size), chance("server", size)
    )


def _derive(mechanism: str, prepared: bytes, salt: bytes, iterations: int) -> Credential:
    hash_name = SCRAM_HASHES[mechanism]
    salted = hashlib.pbkdf2_hmac(hash_name, prepared, salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", hash_name)
    stored_key = hashlib.new(hash_name, client_key).digest()
    return Credential(mechanism, salt, iterations, stored_key, hmac.digest(salted, b"Server Key", hash_name))


def _decoded_text(data: bytes) -> str:
    if len(data) > MESSAGE_BYTES_MAX:
        raise SASLFailed("malformed-request")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise SASLFailed("malformed-request") from error


def _decoded_name(name: str) -> str:
    """Undo the escapes of commas and equals signs (RFC 5802 section 5.1, saslname)."""
    if "=" in name.replace("=2C", "").replace("=3D", ""):
        raise SASLFailed("malformed-request")
    return name.replace("=2C", ",").replace("=3D", "=")


def _prepared_name(name: str) -> str:
    try:
        return prepare_local(name)
    except ValueError as error:
        raise SASLFailed("malformed-request") from error


def _is_prohibited(char: str) -> bool:
    return (
        stringprep.in_table_c12(char)
        or stringprep.in_table_c21_c22(char)
        or stringprep.in_table_c3(char)
        or stringprep.in_table_c4(char)
        or stringprep.in_table_c5(char)
        or stringprep.in_table_c6(char)
        or stringprep.in_table_c7(char)
        or stringprep.in_table_c8(char)
        or stringprep.in_table_c9(char)
    )
