"""
How commands reach a cluster: over its administration interface, through whichever node answers.

`--data DIR` reads DIR/cluster.json of a development cluster and tries each of its nodes in turn; `--server URL
--token-file FILE` names one node of any cluster. A change carries an idempotency key, so that it is tried at the next
node after an unknown outcome and still happens once.
"""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import httpx2
import msgspec
from cyclopts import Parameter

from raftline.base.errors import ConfigError
from raftline.server.cluster_file import read_cluster_file
from raftline.server.config_file import read_secret
from raftline.server.development_layout import HOST, serves_plain_http
from raftline.server.failures import ExitCode, Failure

DATA_DEFAULT: Final = Path(".raftline")
TIMEOUT_S: Final = 15.0
"""Longer than a node's own deadlines, so that its reason arrives rather than our impatience."""

PAGE: Final = 100
"""Rows that are asked for at once."""


@Parameter(name="*")
@dataclass(frozen=True)
class Target:
    """
    Which cluster a command talks to.

    Attributes:
        data: Directory of a development cluster, as given to `raftline up`.
        server: A node's address, such as https://one.example.org:5443; needs --token-file.
        token_file: File that holds the administrator's token.
        ca_file: Authority of the server's certificate, if it is not a public one.
    """

    data: Annotated[Path, Parameter(help="Directory of a development cluster, as given to `raftline up`.")] = (
        DATA_DEFAULT
    )
    server: Annotated[
        str | None, Parameter(help="A node's address, such as https://one.example.org:5443; needs --token-file.")
    ] = None
    token_file: Annotated[Path | None, Parameter(help="File that holds the administrator's token.")] = None
    ca_file: Annotated[
        Path | None, Parameter(help="Authority of the server's certificate (PEM), if it is not a public one.")
    ] = None


HERE: Final = Target()
"""The development cluster of the working directory."""


class AdminClient:
    """
    Requests to `/admin/v1` of the first node that answers.

    Args:
        base_urls: Nodes in the order they are tried.
        token: Bearer token.
        trust: For https; None for plain http.

    Attributes:
        base_urls, trust: As given.
    """

    def __init__(self, base_urls: list[str], token: str, trust: ssl.SSLContext | bool) -> None:
        self.base_urls = base_urls
        self._token = token
        self.trust = trust

    @property
    def authorization(self) -> dict[str, str]:
        """The header that shows the token."""
        return {"Authorization": f"Bearer {self._token}"}

    def open_async(self) -> httpx2.AsyncClient:
        """Return a client, to be closed, for requests of any kind to any node; they carry no token by themselves."""
        return httpx2.AsyncClient(verify=self.trust, trust_env=False)

    def each(self) -> list[AdminClient]:
        """Return a client of each node alone, for what has to go on where it began."""
        return [AdminClient([base_url], self._token, self.trust) for base_url in self.base_urls]

    @property
    def name(self) -> str:
        """Its first node, for people."""
        return self.base_urls[0]

    @contextmanager
    def connected(self) -> Iterator[Callable[[str], bytes]]:
        """
        Open a connection to the first node alone that stays open over many requests.

        Yields: A function that returns the bytes at a path. It raises Failure, as `request`.
        """
        with httpx2.Client(verify=self.trust, timeout=TIMEOUT_S, trust_env=False, headers=self.authorization) as client:

            def read(path: str) -> bytes:
                try:
                    reply = client.get(f"{self.name}{path}")
                except httpx2.TransportError as error:
                    raise no_answer([f"{self.name}: {_first_line(error)}"], unknown=False) from error
                if reply.is_error:
                    raise _refusal(reply.status_code, self.name, _error_of(reply)[1])
                return reply.content

            yield read

    def request(self, method: str, path: str, body: dict[str, Any] | None = None, *, key: str | None = None) -> Any:
        """
        Send a request and return the decoded reply; None for an empty one.

        Args:
            key: Of a change that is the same one when the command is repeated; drawn if not given.

        Raises:
            Failure: REFUSED, USAGE (wrong token), UNAVAILABLE or UNKNOWN, with a sentence that says what to do.
        """
        headers = self.authorization
        if method != "GET":
            headers["Idempotency-Key"] = key or secrets.token_hex(16)
        failures: list[str] = []
        unknown = False
        with httpx2.Client(verify=self.trust, timeout=TIMEOUT_S, trust_env=False) as client:
            for base_url in self.base_urls:
                try:
                    reply = client.request(method, f"{base_url}{path}", headers=headers, json=body)
                except httpx2.ConnectError as error:
                    failures.append(f"{base_url}: {_first_line(error)}")
                    continue
                except httpx2.TransportError as error:
                    unknown = True
                    failures.append(f"{base_url}: {_first_line(error)}")
                    continue
                condition, text = _error_of(reply)
                if reply.status_code == 503:
                    unknown = unknown or condition == "remote-server-timeout"
                    failures.append(f"{base_url}: {text}")
                    continue
                if reply.is_error:
                    raise _refusal(reply.status_code, base_url, text)
                return msgspec.json.decode(reply.content) if reply.content else None
        raise no_answer(failures, unknown=unknown and method != "GET")


def open_client(target: Target) -> AdminClient:
    """
    Return a client for the cluster that the options name.

    Raises:
        ConfigError: The options do not fit together, or a file they name cannot be read.
    """
    if target.server is None:
        if target.token_file is not None:
            raise ConfigError("--token-file", "goes with --server URL; a development cluster is named by --data DIR")
        content = read_cluster_file(target.data)
        scheme = "http" if serves_plain_http(target.data) else "https"
        urls = [f"{scheme}://{HOST}:{node.http}" for node in content.nodes]
        return AdminClient(urls, content.admin_token, _trust("ca", content.ca))
    if target.token_file is None:
        raise ConfigError("--server", "needs --token-file FILE with the administrator's token")
    if not target.server.startswith(("http://", "https://")):
        raise ConfigError("--server", f"{target.server!r} is no address; write https://HOST:PORT")
    trust = _trust("--ca-file", target.ca_file)
    return AdminClient([target.server.rstrip("/")], read_secret("--token-file", target.token_file), trust)


def all_pages(client: AdminClient, path: str, field: str, start: str = "after") -> list[dict[str, Any]]:
    """
    Fetch a list of the administration interface to its end.

    Args:
        path: Of the list, which may have a query.
        field: The rows of a page.
        start: Parameter that the next page begins with.
    """
    found: list[dict[str, Any]] = []
    mark, following = "&" if "?" in path else "?", ""
    while True:
        page = client.request("GET", f"{path}{mark}limit={PAGE}{following}")
        found += page[field]
        if page["next"] is None:
            return found
        following = f"&{start}={quote(page['next'], safe='')}"


def _trust(path: str, ca_file: Path | str | None) -> ssl.SSLContext:
    """Return whom to trust: the authority in a file, or the public ones."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigError(path, f"{ca_file} cannot be used: {error.strerror or error}") from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _error_of(reply: httpx2.Response) -> tuple[str, str]:
    """Return condition and text of an error reply."""
    if not reply.is_error:
        return "", ""
    try:
        error = msgspec.json.decode(reply.content)["error"]
        return str(error["condition"]), str(error["text"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return "", f"HTTP status {reply.status_code}"


def refused_token(base_url: str) -> Failure:
    """Return the failure of a token that a node does not take."""
    return Failure(ExitCode.USAGE, f"{base_url} does not take this token; check --token-file.")


def _refusal(status: int, base_url: str, text: str) -> Failure:
    if status == 401:
        return refused_token(base_url)
    return Failure(ExitCode.REFUSED, text)


def no_answer(failures: list[str], *, unknown: bool) -> Failure:
    """
    Return the failure of a request that no node took.

    Args:
        failures: What each that was tried said.
        unknown: One of them may have taken it.
    """
    tried = "".join(f"\n  {line}" for line in failures)
    if unknown:
        return Failure(
            ExitCode.UNKNOWN,
            f"It is not known whether this took effect; look before you repeat it. Nodes tried:{tried}",
        )
    return Failure(
        ExitCode.UNAVAILABLE,
        f"No node could do this now; nothing happened. Are enough nodes running? Nodes tried:{tried}",
    )
