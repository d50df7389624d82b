"""
The HTTP client of webhooks, and of files that programs name by their addresses; and where it may go.

aiohttp, since a POST takes it 0.1 ms of processor time, and httpx2 1 ms, which at a thousand events a second is a whole
core (measured on two shared cores, keep-alive connections, 64 at a time: 10,000 POSTs a second against 1,000).

Webhooks follow no redirects, and nothing is taken from the environment. An address is compared with what is allowed
after its name was resolved, so that no name leads where its number may not.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from raftline.base.business_limits import BUSINESS_CALLBACK_SIZE_MAX
from raftline.base.webhook_limits import (
    WEBHOOK_ANSWER_BYTES_MAX,
    WEBHOOK_CONNECT_TIMEOUT_S,
    WEBHOOK_TIMEOUT_S,
)

_KEEP_ALIVE_S: Final = 30.0
_CHUNK_BYTES: Final = 16_384
_TRY_COUNT: Final = 2
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_URL_CACHE_COUNT: Final = 4_096


class Unreachable(Exception):
    """No connection came about: to nobody at this host and port."""


class NoAnswer(Exception):
    """The request may have arrived, but no answer came, or none that can be read."""


class Answer(NamedTuple):
    """What a server answered; of a body that is too long, the beginning."""

    status: int
    body: bytes


class Reading(NamedTuple):
    """
    What is at an address, as it comes.

    Attributes:
        content_type: As it is said; empty when it is not.
        size: As it is said; None when it is not.
    """

    status: int
    content_type: str
    size: int | None
    chunks: AsyncIterator[bytes]


def check_url(url: str) -> None:
    """
    Check that something is an address that can be called.

    Raises:
        ValueError: It is not, with the reason.
    """
    if len(url.encode()) > BUSINESS_CALLBACK_SIZE_MAX:
        raise ValueError(f"it is longer than {BUSINESS_CALLBACK_SIZE_MAX} bytes")
    parts = urlsplit(url)  # raises ValueError for some
    is_whole = parts.hostname and (parts.port is None or parts.port > 0)
    if not is_whole or parts.scheme not in {"http", "https"} or not url.isascii() or not url.isprintable():
        raise ValueError("it is no address that begins with http:// or https://")
    if parts.username is not None or parts.fragment or " " in url:
        raise ValueError("it has a user, a fragment or a space in it")


@lru_cache(maxsize=_URL_CACHE_COUNT)
def origin_of(url: str) -> str:
    """Return scheme, host and port of an address that `check_url` has passed."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def is_allowed(address: str, *, private: bool) -> bool:
    """
    Whether a numeric address may be called.

    Nobody's receiver is at a link-local address, but a cloud's secrets are (169.254.169.254, fe80::a9fe:a9fe and the
    like), nor at one of many machines or none.

    Args:
        private: Whether those of this machine and of private networks may.
    """
    number = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(number, ipaddress.IPv6Address) and number.ipv4_mapped is not None:
        number = number.ipv4_mapped
    if number.is_link_local or number.is_multicast or number.is_unspecified:
        return False
    if number.is_reserved and not number.is_loopback:  # ::1 is both
        return False
    return number.is_global or (private and str(number) not in _METADATA)


_METADATA: Final = frozenset({"fd00:ec2::254", "100.100.100.200", "192.0.0.192"})
"""Where some clouds serve a machine's secrets beside 169.254.169.254."""


@lru_cache(maxsize=_URL_CACHE_COUNT)
def _may_be_tried(url: str, private: bool) -> bool:
    """Whether an address has a host by name, which is looked at when it is resolved, or by a number that is allowed."""
    try:
        return is_allowed(urlsplit(url).hostname or "", private=private)
    except ValueError:
        return True


class _Resolver(AbstractResolver):
    """Resolves names, and keeps what is not allowed to itself."""

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._system = aiohttp.ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        found = await self._system.resolve(host, port, family)  # type: ignore[arg-type]
        allowed = [entry for entry in found if is_allowed(entry["host"], private=self._private)]
        if not allowed:
            raise OSError(None, f"{host} has no address that may be called")
        return allowed

    async def close(self) -> None:
        await self._system.close()


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """Turn what a request fails at into one of two."""
    try:
        yield
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as failed:
        raise Unreachable(str(failed) or type(failed).__name__) from failed
    except TimeoutError as failed:
        raise NoAnswer("no answer in time") from failed
    except (aiohttp.ClientError, OSError) as failed:
        raise NoAnswer(str(failed) or type(failed).__name__) from failed


def _reading(response: aiohttp.ClientResponse) -> Reading:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise NoAnswer("what it sends is encoded, though nobody asked for it")
    return Reading(
        response.status,
        response.headers.get("Content-Type", ""),
        response.content_length,
        response.content.iter_chunked(_CHUNK_BYTES),
    )


def _next_url(url: str, location: str) -> str:
    """Return where a redirect leads to."""
    try:
        found = urljoin(url, location)
        check_url(found)
    except ValueError as error:
        raise NoAnswer(f"it redirects to what is no address: {error}") from error
    return found


class WebhookClient:
    """
    Calls receivers over connections that are kept. Made and used on one event loop.

    Args:
        private: Whether receivers may be on this machine and in private networks.
    """

    def __init__(self, *, private: bool = True) -> None:
        self._private = private
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """
        POST a body; returns the status of the answer.

        A kept connection that the receiver has closed meanwhile is replaced at once.

        Raises:
            Unreachable, NoAnswer: See there.
        """
        return (await self._call("POST", url, headers, body, WEBHOOK_ANSWER_BYTES_MAX)).status

    async def get(self, url: str, bytes_max: int) -> Answer:
        """
        GET what is at an address.

        Raises:
            Unreachable, NoAnswer: See there.
        """
        return await self._call("GET", url, {}, None, bytes_max)

    @contextlib.asynccontextmanager
    async def read(self, url: str, *, redirect_count_max: int) -> AsyncIterator[Reading]:
        """
        GET what is at an address in pieces, for as long as the caller waits; redirects are followed.

        Raises:
            Unreachable, NoAnswer: See there; also while the pieces are read.
        """
        with _failures():
            for _ in range(redirect_count_max + 1):
                self._check_number(url)
                headers = {"Accept-Encoding": "identity"}
                async with self._opened().get(url, headers=headers, allow_redirects=False) as response:
                    if response.status not in _REDIRECTS:
                        yield _reading(response)
                        return
                    url = _next_url(url, response.headers.get("Location", ""))
        raise NoAnswer(f"more than {redirect_count_max} redirects")

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call(self, method: str, url: str, headers: dict[str, str], body: bytes | None, bytes_max: int) -> Answer:
        self._check_number(url)
        error: Exception | None = None
        with _failures():
            async with asyncio.timeout(WEBHOOK_TIMEOUT_S):
                for _ in range(_TRY_COUNT):
                    try:
                        return await self._request(method, url, headers, body, bytes_max)
                    except (aiohttp.ServerDisconnectedError, ConnectionResetError) as gone:
                        error = gone  # most likely between two requests
        raise NoAnswer(str(error) or "the connection was closed") from error

    async def _request(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, bytes_max: int
    ) -> Answer:
        async with self._opened().request(method, url, headers=headers, data=body, allow_redirects=False) as response:
            read = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                read += chunk
                if len(read) > bytes_max:
                    response.close()
                    break
            return Answer(response.status, bytes(read))

    def _check_number(self, url: str) -> None:
        """Refuse a numeric address that is not allowed: those are not resolved."""
        if not _may_be_tried(url, self._private):
            raise Unreachable(f"{origin_of(url)} may not be called")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=0,  # dispatchers count
                keepalive_timeout=_KEEP_ALIVE_S,
                resolver=_Resolver(private=self._private),
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=WEBHOOK_CONNECT_TIMEOUT_S),
                auto_decompress=False,
                headers={"User-Agent": "Raftline", "Accept": "*/*"},
            )
        return self._session
