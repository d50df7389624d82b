"""
A file that has just arrived here is offered to all members, until a majority of them has it on their disks.

Offers and their answers are small and travel the links; the bytes are fetched by whoever lacks them (`fetch`), so each
node takes them at its own pace. An offer is repeated while it is not answered: a link that was lost loses no file.
Nodes that are slow, or were down, get the file later (`healing`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from raftline.base.errors import StorageError, Unavailable
from raftline.cluster.frames import LinkFrame, MediaKept, MediaOffer
from raftline.raft.quorum import quorum_of

if TYPE_CHECKING:
    from raftline.base.ids import NodeId
    from raftline.cluster.chores import Chores
    from raftline.cluster.media.fetch import MediaFetch
    from raftline.raft.membership import Membership

_LOG: Final = logging.getLogger(__name__)

REPEAT_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 10.0
"""For a small file, as long as a new leader takes, several times over."""

COPY_RATE_MIN: Final = 1 << 20
"""Bytes a second with which nodes are expected to copy at least."""

OFFER_COUNT_MAX: Final = 256
"""Offers that this node is at work on; others are not answered, and come again."""


class _Spreading:
    """A file that waits for its copies."""

    def __init__(self, own_id: NodeId) -> None:
        self.holders = {own_id}
        self.refused: set[NodeId] = set()
        self.changed = asyncio.Event()


class Copies:
    """
    Sees to copies on other nodes, and takes offers of theirs.

    Args:
        membership: Returns the one in force.
        send: Sends a frame to a node; False when its link is down.
    """

    def __init__(
        self,
        own_id: NodeId,
        fetch: MediaFetch,
        chores: Chores,
        *,
        membership: Callable[[], Membership],
        send: Callable[[NodeId, LinkFrame], bool],
    ) -> None:
        self._own_id = own_id
        self._fetch = fetch
        self._chores = chores
        self._membership = membership
        self._send = send
        self._spreading: dict[bytes, list[_Spreading]] = {}
        self._taking: dict[tuple[NodeId, bytes], None] = {}

    async def spread(self, digest: bytes, size: int, time_ms: int) -> None:
        """
        Wait until a majority of the members has a file that is durable here.

        Raises:
            Unavailable: It does not, in a time that its size allows; copies that were made stay for a while.
        """
        spreading = _Spreading(self._own_id)
        self._spreading.setdefault(digest, []).append(spreading)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS + size / COPY_RATE_MIN):
                await self._offer(MediaOffer(digest, size, time_ms), spreading)
        except TimeoutError:
            raise Unavailable("no majority of the nodes has taken the file in time") from None
        finally:
            waiting = self._spreading[digest]
            waiting.remove(spreading)
            if not waiting:
                del self._spreading[digest]

    async def _offer(self, offer: MediaOffer, spreading: _Spreading) -> None:
        while True:
            membership = self._membership()
            quorum = quorum_of(membership)
            if quorum.won(spreading.holders):
                return
            members = {member.node_id for member in membership.members}
            if not quorum.won(members - spreading.refused):
                raise Unavailable("too few nodes have space for the file")
            for node_id in sorted(members - spreading.holders - spreading.refused):
                self._send(node_id, offer)
            await self._wait(spreading, quorum.won)

    async def _wait(self, spreading: _Spreading, is_enough: Callable[[set[NodeId]], bool]) -> None:
        """Wait until there are copies enough, somebody refuses, or it is time to ask again."""
        refused_count = len(spreading.refused)
        try:
            async with asyncio.timeout(REPEAT_SECONDS):
                while not is_enough(spreading.holders) and len(spreading.refused) == refused_count:
                    spreading.changed.clear()
                    await spreading.changed.wait()
        except TimeoutError:
            return

    def answered(self, node_id: NodeId, answer: MediaKept) -> None:
        """Take note of who has a file, or will not have it."""
        for spreading in self._spreading.get(answer.digest, ()):
            (spreading.holders if answer.is_kept else spreading.refused).add(node_id)
            spreading.changed.set()

    def offered(self, node_id: NodeId, offer: MediaOffer) -> None:
        """Fetch a file that another node has, and tell it; an offer that comes again meanwhile changes nothing."""
        key = (node_id, offer.digest)
        if key not in self._taking and len(self._taking) < OFFER_COUNT_MAX:
            self._taking[key] = None
            self._chores.begin(self._take(node_id, offer), "offered file")

    async def _take(self, node_id: NodeId, offer: MediaOffer) -> None:
        try:
            is_kept = await self._fetch.fetch(offer.digest, offer.size, offer.time_ms, first=node_id)
        except StorageError as error:
            _LOG.warning("file %s of node %d is not taken: %s", offer.digest.hex(), node_id, error)
            self._send(node_id, MediaKept(offer.digest, is_kept=False))
        else:
            if is_kept:
                self._send(node_id, MediaKept(offer.digest, is_kept=True))
        finally:
            del self._taking[node_id, offer.digest]
