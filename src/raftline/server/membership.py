"""What the administration interface asks of the cluster's membership, in the words of the cluster's own floor."""

from __future__ import annotations

from raftline.base.ids import NodeId
from raftline.cluster.driver import Driver
from raftline.cluster.peer_book import peer_of
from raftline.machine.queries import NodeProfiles
from raftline.machine.records import NodeProfile
from raftline.server.config import NodeSettings
from raftline.web.membership import Invitation, InvitingNode, Membership


def member_ids(driver: Driver) -> frozenset[int]:
    """Return all members, as far as this node knows."""
    return frozenset(member.node_id for member in driver.raft.membership.members)


def make_membership(driver: Driver, settings: NodeSettings) -> Membership:
    """Join the endpoints with a driver."""

    async def invite(replaces: int | None, lifetime_ms: int) -> Invitation:
        node_id, token = await driver.members.invite(None if replaces is None else NodeId(replaces), lifetime_ms)
        return Invitation(
            node_id=node_id,
            token=token.hex(),
            cluster_id=settings.cluster.id,
            epoch=settings.cluster.epoch,
            domain=settings.domain,
            members=inviting_nodes(driver),
        )

    async def remove(node_id: int) -> None:
        await driver.members.remove(NodeId(node_id))

    def drain(node_id: int, is_drained: bool) -> None:
        driver.draining.ask(NodeId(node_id), is_drained=is_drained)

    return Membership(lambda: member_ids(driver), invite, remove, drain)


def inviting_nodes(driver: Driver) -> tuple[InvitingNode, ...]:
    """Return the members with all that a new node has to know of them."""
    rows = driver.machine.answer(NodeProfiles())
    assert isinstance(rows, list)
    told = {row.node_id: row for row in rows if isinstance(row, NodeProfile)}
    nodes = []
    for member in driver.raft.membership.members:
        peer, profile = peer_of(member), told.get(member.node_id)
        nodes.append(
            InvitingNode(
                node_id=member.node_id,
                host=peer.host,
                port=peer.port,
                fingerprint=peer.fingerprint,
                http_url="" if profile is None else profile.http_url,
                xmpp_address="" if profile is None else profile.xmpp_address,
            )
        )
    return tuple(nodes)
