"""
Whose data a directory holds: `<data_dir>/identity.json`, written before anything else.

    founding   `raftline node init`: the file names all founders, the same on each of them
    joining    the file is written with a data id first, then the cluster is asked, then it says who is in it

A directory without it is empty, and no node starts on it by itself: a member that lost its disk would vote with an
empty log for leaders that lack what it had acknowledged. The data id, drawn at random, is what the others know a node's
data by: an empty directory that is given a name in use is refused by all of them.

A directory that the first release wrote has no such file; it gets one at its first start, as a founder's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from raftline.base.ids import NodeId
from raftline.cluster.config import Peer
from raftline.cluster.json_file import read_json_file, write_json_file
from raftline.cluster.storage import LOG_DIRECTORY

IDENTITY_FILE: Final = "identity.json"
FORMAT: Final = 1
"""Version of the data directory as a whole; log, database and snapshots have versions of their own."""

DATA_ID_SIZE: Final = 16


class KnownNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node as another one knows it; `fingerprint` is that of its key, in hexadecimal digits."""

    node_id: NodeId
    host: str
    port: int
    fingerprint: str


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    Whose data it is.

    Attributes:
        format: Version of the data directory.
        data_id: Hexadecimal.
        founders: All nodes that the cluster was founded with; empty for one that joined later.
        contacts: All members as last known, this node included. Of one that joined, empty until it was let in.
        has_begun: It has a log, which may not be missing from now on.
        is_alone: No other node votes in its cluster, as far as it knows: nobody could repair its data.
        epoch_min: Stanza ids of a lower epoch may have been given out by a history that this node has left.
    """

    format: int
    cluster_id: str
    node_id: NodeId
    data_id: str
    founders: tuple[KnownNode, ...] = ()
    contacts: tuple[KnownNode, ...] = ()
    has_begun: bool = False
    is_alone: bool = False
    epoch_min: int = 1

    @property
    def is_founder(self) -> bool:
        """The cluster was founded with this node."""
        return bool(self.founders)

    @property
    def is_settled(self) -> bool:
        """It is a member, or certainly will be."""
        return bool(self.founders or self.contacts)

    @property
    def others_known(self) -> dict[NodeId, Peer]:
        """All members as last known: whom to talk to if the log does not tell."""
        return {node.node_id: Peer(node.host, node.port, node.fingerprint) for node in self.contacts}

    @property
    def peers(self) -> dict[NodeId, Peer]:
        """Whom the cluster was founded with; on a node that joined, whom it knows."""
        return {node.node_id: Peer(node.host, node.port, node.fingerprint) for node in self.founders or self.contacts}


def known_nodes(peers: Mapping[NodeId, Peer]) -> tuple[KnownNode, ...]:
    """Return peers as an identity keeps them."""
    return tuple(KnownNode(node_id, peer.host, peer.port, peer.fingerprint) for node_id, peer in sorted(peers.items()))


def new_identity(
    cluster_id: str, node_id: NodeId, entropy: Callable[[int], bytes], *, founders: Mapping[NodeId, Peer] | None = None
) -> Identity:
    """Return an identity with a data id that nobody had; without founders, of a node that is to join."""
    data_id = entropy(DATA_ID_SIZE).hex()
    known = known_nodes(founders or {})
    return Identity(FORMAT, cluster_id, node_id, data_id, founders=known, is_alone=len(known) == 1)


def read_identity(data_dir: Path) -> Identity | None:
    """
    Return whose data a directory holds; None if nobody's.

    Raises:
        StorageCorrupt: The file cannot be read.
        StorageError: A later release wrote it, or the disk failed.
    """
    return read_json_file(data_dir / IDENTITY_FILE, Identity, format_max=FORMAT)


def write_identity(data_dir: Path, identity: Identity) -> None:
    """
    Write whose data a directory is to hold, durably and in one step.

    Raises:
        StorageError: The disk failed.
    """
    write_json_file(data_dir / IDENTITY_FILE, identity)


def holds_data(data_dir: Path) -> bool:
    """Whether a directory holds a log, as one that the first release wrote does without saying whose it is."""
    return any((data_dir / LOG_DIRECTORY).glob("wal-*"))
