"""
Asks the nodes for `raftline top`: one of them for the state of the cluster, each for its own figures.

Addresses are those that the command was given, then those that the nodes tell. When the node that is asked dies, the
next one is; the token goes over plain HTTP only where the given address is plain itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import httpx2
import msgspec

from raftline.cli.connection import AdminClient, refused_token
from raftline.cli.top.figures import NodeFigures, parse_figures
from raftline.cli.top.reading import Sample

STATUS_TIMEOUT_S: Final = 2.5
"""A node that asks others which do not answer takes a part of this itself."""

FIGURES_TIMEOUT_S: Final = 1.0
ADDRESS_COUNT_MAX: Final = 32
"""Nodes that are remembered; a cluster has fewer."""


class Probe:
    """
    Samples of one cluster.

    Args:
        admin: Knows the given addresses, the token, and whom to trust.
        http: For all requests; open while the probe is used.
        monotonic_s, wall_ms: Clocks.
    """

    def __init__(
        self,
        admin: AdminClient,
        http: httpx2.AsyncClient,
        *,
        monotonic_s: Callable[[], float],
        wall_ms: Callable[[], int],
    ) -> None:
        self._admin = admin
        self._http = http
        self._monotonic_s = monotonic_s
        self._wall_ms = wall_ms
        self._addresses = list(admin.base_urls)
        self._allows_plain = any(url.startswith("http://") for url in admin.base_urls)
        self._urls: dict[int, str] = {}
        self.failures: list[str] = []
        """Why nobody told of the cluster, when nobody did."""

    async def sample(self) -> Sample:
        """
        Ask once.

        Raises:
            Failure: The token is refused.
        """
        self.failures = []
        asked, status = await self._ask_any()
        if status is not None:
            await self._learn(asked)
        members = {node["id"] for node in status["nodes"]} if status is not None else self._urls.keys()
        urls = {node_id: url for node_id, url in self._urls.items() if node_id in members}
        answers = await asyncio.gather(*(self._figures_of(url) for url in urls.values()))
        figures = {node_id: found for node_id, found in zip(urls, answers, strict=True) if found is not None}
        return Sample(self._monotonic_s(), self._wall_ms(), asked, status, urls, figures)

    async def _ask_any(self) -> tuple[str, dict[str, Any] | None]:
        """Ask for the state of the cluster, from the node that answered last on; who answers comes first next time."""
        for address in list(self._addresses):
            told = await self._request(address, "/admin/v1/cluster")
            if told is not None:
                self._addresses.remove(address)
                self._addresses.insert(0, address)
                return address, told
        return "", None

    async def _learn(self, asked: str) -> None:
        """Learn where the nodes are."""
        told = await self._request(asked, "/admin/v1/cluster/nodes")
        if told is None:
            return
        usable = {
            node["id"]: node["http_url"]
            for node in told["nodes"][:ADDRESS_COUNT_MAX]
            if self._allows_plain or node["http_url"].startswith("https://")
        }
        self._urls.update(usable)
        self._addresses += [url for url in usable.values() if url not in self._addresses]
        del self._addresses[ADDRESS_COUNT_MAX:]

    async def _request(self, address: str, path: str) -> dict[str, Any] | None:
        try:
            reply = await self._http.get(
                f"{address}{path}", headers=self._admin.authorization, timeout=STATUS_TIMEOUT_S
            )
        except httpx2.TransportError as error:
            self.failures.append(f"{address}: {str(error) or type(error).__name__}")
            return None
        if reply.status_code == 401:
            raise refused_token(address)
        if reply.is_error:
            self.failures.append(f"{address}: HTTP status {reply.status_code}")
            return None
        content: dict[str, Any] = msgspec.json.decode(reply.content)
        return content

    async def _figures_of(self, url: str) -> NodeFigures | None:
        """Return what a node tells of itself; None if it does not, or in a form that is not known."""
        try:
            reply = await self._http.get(f"{url}/metrics", timeout=FIGURES_TIMEOUT_S)
        except httpx2.TransportError:
            return None  # shown as a node that is gone
        if reply.is_error:
            return None
        try:
            return parse_figures(reply.text)
        except ValueError:
            return None
