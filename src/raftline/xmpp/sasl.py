"""
What the SASL mechanisms of this service have in common: passwords, what is kept of them, names, failures.

The mechanisms themselves: SCRAM (sasl_scram.py), PLAIN (sasl_plain.py), hashed tokens (sasl_ht.py).

Passwords are prepared by SASLprep, as SCRAM and therefore the clients do it (RFC 4013, RFC 5802 section 2.2);
characters newer than its tables pass, or nobody could have an emoji in a password.
"""

from __future__ import annotations

import hashlib
import hmac
import stringprep
import unicodedata
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from typing import Final

from raftline.base.errors import RemoteProtocolError
from raftline.machine.commands import Credential
from raftline.xmpp.jid import JID, parse_jid, prepare_local

SCRAM_HASHES: Final = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}
"""Mechanisms that credentials are kept for and their hash functions, the preferred one first."""

ITERATION_COUNT: Final = 10_000
"""Of PBKDF2; at least 4,096 (RFC 7677 section 4). About 3 ms of a core for each hash."""

SALT_BYTES: Final = 16
PASSWORD_BYTES_MAX: Final = 1024
MESSAGE_BYTES_MAX: Final = 4096
"""Of one decoded message of a client; names take 1,023 bytes, passwords 1,024."""


class SASLFailed(RemoteProtocolError):
    """
    Authentication failed.

    Attributes:
        condition: Of RFC 6120 section 6.5, such as `not-authorized`.
        text: A sentence for people; empty where the condition says it all.
    """

    def __init__(self, condition: str, text: str = "") -> None:
        super().__init__(condition)
        self.condition = condition
        self.text = text


def check_authorization(identity: str, localpart: str, domain: str, claimed: JID | None = None) -> None:
    """
    Check that who wants to act is who authenticates; acting for others is not offered.

    Args:
        claimed: Who the client said it is when it opened the stream, where the profile of SASL asks for that.

    Raises:
        SASLFailed: `invalid-authzid`.

    Source: RFC 6120 section 6.3.8: the identity is a bare JID. XEP-0388 section 4.4: it is that of the stream.
    """
    try:
        jid = parse_jid(identity)
    except ValueError as error:
        raise SASLFailed("invalid-authzid") from error
    if (jid.local, jid.domain, jid.resource) != (localpart, domain, "") or claimed not in {None, jid}:
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


def decoded_text(data: bytes) -> str:
    """
    Read a message of a client as text.

    Raises:
        SASLFailed: `malformed-request` for what is too long or no UTF-8.
    """
    if len(data) > MESSAGE_BYTES_MAX:
        raise SASLFailed("malformed-request")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise SASLFailed("malformed-request") from error


def prepared_name(name: str) -> str:
    """
    Prepare the name that a client wants to be authenticated as.

    Raises:
        SASLFailed: `malformed-request` for what can be no localpart.
    """
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
