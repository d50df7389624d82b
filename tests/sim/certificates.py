"""
Certificates of simulated nodes: the same in every run, since what a node's key is goes into the log.

Nobody checks a signature here; nodes read the name and the key.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID

_NOT_BEFORE = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_NOT_AFTER = dt.datetime(2120, 1, 1, tzinfo=dt.UTC)


def _key_of(number: int) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))


@functools.cache
def certificate_of(number: int) -> bytes:
    """Return the certificate (DER) of a node."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(number))])
    key = _key_of(number)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(number)
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(_NOT_AFTER)
    )
    return builder.sign(key, None).public_bytes(serialization.Encoding.DER)


@functools.cache
def fingerprint_of(number: int) -> str:
    """Return the fingerprint of a node's key."""
    public = _key_of(number).public_key()
    data = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(data).hexdigest()


class ShownCertificate:
    """What a node asks of an `ssl.SSLObject`: the other side's certificate."""

    def __init__(self, number: int) -> None:
        self._number = number

    def getpeercert(self, binary_form: bool = False) -> Any:
        """See `ssl.SSLObject`."""
        if binary_form:
            return certificate_of(self._number)
        return {"subject": ((("commonName", str(self._number)),),)}
