"""
TLS between bytes and bytes: the handshake and the records, without a socket.

asyncio's own TLS keeps a quarter of a mebibyte for each connection; memory BIOs keep what is under way and no more.
The owner feeds what the socket gave, reads what was protected, and sends what `data_to_send` has after each call.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import MD5, SHA1

from raftline.base.errors import RemoteProtocolError

RECORD_BYTES: Final = 16_384
"""Greatest plaintext of a record (RFC 8446 section 5.1)."""


class TLSFailed(RemoteProtocolError):
    """The handshake or a record is broken; nothing can be said to the other side any more."""


def channel_bindings(context: ssl.SSLContext) -> Mapping[str, bytes]:
    """
    Return the data of each type of channel binding that connections of a server's context have.

    That is tls-server-end-point, the hash of the certificate which is shown. Python does not tell what a context shows,
    so it is asked by a handshake in memory. Python's tls-unique is another thing in TLS 1.3 (RFC 9266), and it has no
    exporter, so there is nothing else.

    Source: RFC 5929 section 4.1.
    """
    der = _shown_certificate(context)
    try:
        algorithm = x509.load_der_x509_certificate(der).signature_hash_algorithm
    except UnsupportedAlgorithm:
        algorithm = None
    if algorithm is None:
        return {}  # Ed25519 and the like name no hash function, and then the binding is undefined
    name = "sha256" if isinstance(algorithm, MD5 | SHA1) else algorithm.name
    return {"tls-server-end-point": hashlib.new(name, der).digest()}


def _shown_certificate(context: ssl.SSLContext) -> bytes:
    """Return the certificate that a server's context shows, in DER."""
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname = False
    asking.verify_mode = ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    der = client.getpeercert(binary_form=True)
    assert der is not None, "a server shows a certificate"
    return der


class TLSLayer:
    """
    The server's side of one TLS connection.

    Attributes:
        is_established: The handshake is done.
        is_ended: The other side said that it sends no more.
    """

    __slots__ = ("_incoming", "_object", "_outgoing", "is_ended", "is_established")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.is_established = False
        self.is_ended = False

    def receive(self, data: bytes) -> bytes:
        """
        Take bytes of the socket and return the plaintext they complete.

        Raises:
            TLSFailed: An alert that says why may be in `data_to_send`.
        """
        self._incoming.write(data)
        try:
            if not self.is_established:
                self._object.do_handshake()
                self.is_established = True
            return self._read()
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLError as error:
            raise TLSFailed(error.reason or str(error)) from error

    def _read(self) -> bytes:
        parts = []
        try:
            while True:
                part = self._object.read(RECORD_BYTES)
                if not part:
                    self.is_ended = True
                    break
                parts.append(part)
        except ssl.SSLWantReadError:
            pass  # the rest of a record is still to come
        except ssl.SSLZeroReturnError:
            self.is_ended = True
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write(self, data: bytes) -> None:
        """
        Protect bytes; `data_to_send` has them then.

        Raises:
            TLSFailed: The connection is broken.
        """
        assert self.is_established, "the handshake comes first"
        try:
            view = memoryview(data)
            while view:
                view = view[self._object.write(view) :]
        except ssl.SSLError as error:
            raise TLSFailed(error.reason or str(error)) from error

    def close(self) -> None:
        """Say that we send no more (RFC 8446 section 6.1)."""
        try:
            self._object.unwrap()
        except ssl.SSLError:
            # Our close_notify is written; that the other side's is still missing, or that the handshake was never
            # done, changes nothing for a connection that is given up.
            return

    def data_to_send(self) -> bytes:
        """Return the bytes for the socket and forget them."""
        return self._outgoing.read()
