"""
Whose data a node's directory holds, settled before anything of it is opened (`raftline.cluster.identity`).

    identity.json there             go on
    a log without it                the first release wrote it: a founder's
    a token of an invitation        ask to be let in, and write down who is in the cluster
    nothing                         refused: `raftline node init` founds a cluster, an invitation lets a node join one;
                                    a member that lost its disk is replaced, it does not come back
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path

import msgspec

from raftline.base.errors import ConfigError, Refused, StorageError
from raftline.base.ids import NodeId
from raftline.cluster.config import Peer
from raftline.cluster.frames import JoinRequest
from raftline.cluster.identity import (
    Identity,
    holds_data,
    known_nodes,
    new_identity,
    read_identity,
    write_identity,
)
from raftline.cluster.joining import join
from raftline.cluster.links import LinkContexts
from raftline.cluster.peer_book import member_of, peer_of
from raftline.machine.versions import VERSION_MAX
from raftline.raft.membership import Membership
from raftline.server.config import NodeSettings
from raftline.server.config_file import read_secret
from raftline.server.failures import ExitCode, Failure


def configured_peers(settings: NodeSettings) -> dict[NodeId, Peer]:
    """Return `cluster.peers` as the cluster's own floors name them."""
    return {NodeId(peer.node_id): Peer(peer.host, peer.port, peer.fingerprint) for peer in settings.cluster.peers}


def found(settings: NodeSettings) -> Identity:
    """
    Make this node's directory that of a founder of a new cluster, of which `cluster.peers` names all nodes.

    Raises:
        Failure: REFUSED: the directory holds data already.
        StorageError: The disk failed.
    """
    data_dir = settings.data_dir
    known = read_identity(data_dir)
    if known is not None or holds_data(data_dir):
        whose = f"node {known.node_id} of cluster {known.cluster_id}" if known is not None else "a node"
        raise Failure(ExitCode.REFUSED, f"{data_dir} holds the data of {whose}; it stays as it is.")
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    cluster = settings.cluster
    identity = new_identity(cluster.id, NodeId(cluster.node_id), os.urandom, founders=configured_peers(settings))
    write_identity(data_dir, identity)
    return identity


class KeptIdentity:
    """
    The identity of a running node, kept in step with what it learns of its cluster.

    Args:
        begin_chore: Runs a task beside the node's work.
    """

    def __init__(
        self, data_dir: Path, identity: Identity, begin_chore: Callable[[Coroutine[None, None, None], str], None]
    ) -> None:
        self._data_dir = data_dir
        self._wanted = self._written = identity
        self._begin_chore = begin_chore
        self._is_writing = False

    def begun(self) -> None:
        """Note, before the node takes part, that it has a log; StorageError if that fails."""
        if not self._written.has_begun:
            self._wanted = self._written = msgspec.structs.replace(self._written, has_begun=True)
            write_identity(self._data_dir, self._written)

    def follow(self, membership: Membership) -> None:
        """Note who could repair this node's data."""
        node_id = self._wanted.node_id
        if membership.member(node_id) is None:
            # It has not learned of any yet that it belongs to, or belongs to none any more.
            return
        self._wanted = msgspec.structs.replace(
            self._wanted,
            is_alone=set(membership.voters) == {node_id},
            contacts=known_nodes({member.node_id: peer_of(member) for member in membership.members}),
        )
        if self._wanted != self._written and not self._is_writing:
            self._is_writing = True
            self._begin_chore(self._write(), "identity")

    async def _write(self) -> None:
        while self._written != self._wanted:
            identity = self._wanted
            await asyncio.to_thread(write_identity, self._data_dir, identity)
            self._written = identity
        self._is_writing = False


async def settle_identity(settings: NodeSettings, contexts: LinkContexts) -> Identity:
    """
    Return whose data the directory holds, after having joined the cluster if need be.

    Raises:
        Failure: REFUSED: the directory is empty, or the cluster does not let this node in.
        ConfigError: The token cannot be read, or the epoch was left behind.
        StorageError: The disk failed, or what is there is damaged, or another node's.
    """
    data_dir = settings.data_dir
    identity = read_identity(data_dir)
    if identity is None and holds_data(data_dir):
        cluster = settings.cluster
        identity = new_identity(cluster.id, NodeId(cluster.node_id), os.urandom, founders=configured_peers(settings))
        write_identity(data_dir, identity)
    if identity is not None:
        check_owner(settings, identity)
        if settings.cluster.epoch < identity.epoch_min:
            reason = f"must be {identity.epoch_min} or more: this node went on alone after a majority was lost"
            raise ConfigError("cluster.epoch", reason)
    if identity is None or not identity.is_settled:
        identity = await _join(settings, identity, contexts)
    return identity


def check_owner(settings: NodeSettings, identity: Identity) -> None:
    """
    Make sure that the data are those of the node that the settings are for.

    Raises:
        StorageError: They are another one's.
    """
    cluster = settings.cluster
    if (cluster.id, cluster.node_id) != (identity.cluster_id, identity.node_id):
        raise StorageError(
            f"{settings.data_dir} holds the data of node {identity.node_id} of cluster {identity.cluster_id}, this is "
            f"node {cluster.node_id} of cluster {cluster.id}. Nothing was changed."
        )


async def _join(settings: NodeSettings, identity: Identity | None, contexts: LinkContexts) -> Identity:
    """Ask to be let in; the data id is written down first, so that a crash on the way is no other node."""
    file = settings.cluster.join_token_file
    if file is None:
        node_id = settings.cluster.node_id
        raise Failure(
            ExitCode.REFUSED,
            f"{settings.data_dir} is empty. A new cluster is founded with `raftline node init --config FILE` on each "
            f"of its nodes. If node {node_id} has lost its data, it must not come back under its id: "
            f"`raftline cluster replace {node_id}` puts a new node in its place.",
        )
    try:
        token = bytes.fromhex(read_secret("cluster.join_token_file", file))
    except ValueError as error:
        raise ConfigError("cluster.join_token_file", f"{file} holds no token") from error
    if identity is None:
        identity = new_identity(settings.cluster.id, NodeId(settings.cluster.node_id), os.urandom)
        write_identity(settings.data_dir, identity)
    peers = configured_peers(settings)
    own = peers.pop(identity.node_id)
    request = JoinRequest(
        identity.cluster_id,
        token,
        member_of(identity.node_id, own).address,
        bytes.fromhex(identity.data_id),
        VERSION_MAX,
    )
    known = await _ask(peers, contexts, request, settings.data_dir)
    identity = msgspec.structs.replace(identity, contacts=known_nodes({**known, identity.node_id: own}))
    write_identity(settings.data_dir, identity)
    return identity


async def _ask(
    peers: Mapping[NodeId, Peer], contexts: LinkContexts, request: JoinRequest, data_dir: Path
) -> dict[NodeId, Peer]:
    if not peers:
        raise ConfigError("cluster.peers", "names no other node to ask")
    try:
        return await join(peers, contexts.client, request)
    except Refused as error:
        raise Failure(
            ExitCode.REFUSED,
            f"The cluster does not let this node in: {error.text} Invite it anew with `raftline cluster add`, and "
            f"start it with an empty {data_dir}.",
        ) from error
