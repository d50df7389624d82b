"""Commands about nodes and the cluster itself (see commands.py): lives, invitations, members, the machine's version."""

from __future__ import annotations

from typing import Annotated

import msgspec

from raftline.base.ids import NodeId
from raftline.machine.tables import NATURAL


class StartNode(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=20):
    """
    A node begins a new life: sessions of its earlier incarnations end.

    Refused with `conflict` when the node is known to have other data: an empty disk does not take a name over. What
    follows the incarnation counts from machine version 2 on.

    Attributes:
        data_id: Names its data directory, drawn when that was made; empty if it is not told.
        http_url: How browsers reach it; empty for not at all.
        xmpp_address: How clients reach it, `host:port`; empty for not at all.
    """

    node_id: Annotated[NodeId, NATURAL]
    incarnation: Annotated[int, NATURAL]
    data_id: bytes = b""
    http_url: str = ""
    xmpp_address: str = ""


class BuryNode(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=21):
    """The node is gone: sessions of this incarnation, or earlier ones, end."""

    node_id: Annotated[NodeId, NATURAL]
    incarnation: Annotated[int, NATURAL]


class InviteNode(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=22):
    """
    Let one new node join, under an id that no node had. Machine version 2.

    Outcome: `Done(Invited)`.

    Attributes:
        digest: Of the token that it will show.
        id_floor: Greatest id that any member had so far; memberships are nothing that apply knows of.
        replaces: The node that goes when the new one has caught up; 0 for none.
        lifetime_ms: Cluster time for which the token is good.
    """

    digest: bytes
    id_floor: Annotated[int, NATURAL]
    replaces: Annotated[NodeId, NATURAL]
    lifetime_ms: Annotated[int, NATURAL]


class RedeemInvitation(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=23):
    """
    A node shows its token: from here on the invitation is that of this key and data alone. Machine version 2.

    Idempotent. Outcome: `Done`; refused with `item-not-found`, `not-acceptable` when it is too late, or `conflict` when
    another node has shown the token.
    """

    node_id: Annotated[NodeId, NATURAL]
    digest: bytes
    fingerprint: bytes
    data_id: bytes


class ForgetNode(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=24):
    """A node is no member any more: its sessions are released, nothing is kept of it. Idempotent. Machine version 2."""

    node_id: Annotated[NodeId, NATURAL]


class RaiseVersion(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=25):
    """All members understand this version of apply, which counts from the next command on. It never falls."""

    version: Annotated[int, NATURAL]


class EndFormerCluster(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=156):
    """
    The first command of a cluster that is founded with the state of another one (`raftline restore`).

    Whoever was connected there is not any more; its nodes and invitations are none of this cluster's. Idempotent.
    Machine version 3.

    Attributes:
        epoch: First part of the stanza ids that were given out there, which stay; 0 for none. Machine version 4.
    """

    epoch: Annotated[int, NATURAL] = 0
