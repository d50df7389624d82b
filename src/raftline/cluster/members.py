"""
Who belongs to the cluster, at run time: nodes are let in, promoted, replaced, removed.

    operator            any node                         leader                      new node
       │ invite ──────────▶ │ InviteNode (log)             │                           │
       │ ◀── id, token ──── │                              │                           │
       │ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ token ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ▶ │
       │                    │ ◀──────────── JoinRequest, over mutual TLS ───────────── │
       │                    │ RedeemInvitation (log)       │                           │
       │                    │ ── ChangeRequest: add ─────▶ │ a learner, when committed │
       │                    │ ─────────────── JoinReply: members ────────────────────▶ │ starts, catches up
       │                    │                              │ caught up: promote, and remove whom it replaces,
       │                    │                              │ in one change

What is to happen when a learner has caught up is in its invitation, which is replicated: the next leader goes on where
this one stopped. Nobody waits for an operator between the steps, and each may be asked for twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from raftline.base.errors import (
    Busy,
    Dismissed,
    LocalProtocolError,
    NotLeader,
    OutcomeUnknown,
    Refused,
    RemoteProtocolError,
    Unavailable,
)
from raftline.base.ids import NodeId
from raftline.base.limits import INVITATION_AGE_MAX_MS
from raftline.cluster.config import MILLISECOND_NS
from raftline.cluster.execution import execute
from raftline.cluster.frames import ChangeReply, ChangeRequest, Farewell, Hello, JoinReply, JoinRequest
from raftline.cluster.peer_book import peer_of
from raftline.machine.node_commands import ForgetNode, InviteNode, RaiseVersion, RedeemInvitation
from raftline.machine.outcomes import Done, Invited, Rejected
from raftline.machine.queries import InvitationOf, NodeProfiles
from raftline.machine.records import Invitation, NodeProfile
from raftline.machine.versions import NODE_PROFILES_SINCE
from raftline.raft.confchange import MembershipChange
from raftline.raft.membership import Member
from raftline.raft.node import Role

if TYPE_CHECKING:
    from raftline.cluster.connections import InboundConnection
    from raftline.cluster.driver import Driver
    from raftline.machine.commands import Action

_LOG: Final = logging.getLogger(__name__)

LOOK_NS: Final = 500 * MILLISECOND_NS
"""How often the leader looks at what the replica says of members."""

TOKEN_SIZE: Final = 32
_KEY_SIZE: Final = 16


def token_digest(token: bytes) -> bytes:
    """Return what an invitation's token is kept by; the token has 256 bits of chance, which no guess gets through."""
    return hashlib.blake2b(token, digest_size=32, person=b"raftline-join").digest()


class Members:
    """
    The membership of a running node.

    Args:
        entropy: Random bytes that nobody can guess, for tokens and keys.
    """

    def __init__(self, driver: Driver, *, entropy: Callable[[int], bytes]) -> None:
        self._driver = driver
        self._entropy = entropy
        self._versions: dict[NodeId, int] = {}
        self._looked_ns = 0
        self._next_request_id = 1
        self._open: dict[int, asyncio.Future[ChangeReply]] = {}
        self._membership_is_certain = asyncio.Event()
        self._is_proposed = False

    # For operators, on any node

    async def invite(self, replaces: NodeId | None, lifetime_ms: int) -> tuple[NodeId, bytes]:
        """
        Let one new node join.

        Args:
            replaces: The member that goes when the new node has caught up.

        Returns: The id it is to have, and its token.

        Raises:
            Refused: There is no such member.
            Unavailable, OutcomeUnknown: As `execute`; or a node runs a release that cannot do this.
        """
        driver = self._driver
        membership = driver.raft.membership
        if replaces is not None and membership.member(replaces) is None:
            raise Refused("item-not-found", "cancel", f"There is no node {replaces}.")
        if driver.machine.machine_version < NODE_PROFILES_SINCE:
            raise Unavailable("not all nodes run a release that lets others join yet")
        token = self._entropy(TOKEN_SIZE)
        action = InviteNode(
            token_digest(token),
            membership.node_id_max,
            replaces or NodeId(0),
            min(lifetime_ms, INVITATION_AGE_MAX_MS),
        )
        outcome = await execute(driver, action, self._entropy(_KEY_SIZE))
        assert isinstance(outcome, Done), outcome
        assert isinstance(outcome.result, Invited), outcome
        return outcome.result.node_id, token

    async def remove(self, node_id: NodeId) -> None:
        """
        Begin to remove a member; `Driver.raft.membership` tells when it is gone.

        Raises:
            Refused: There is no such member, or none would be left.
            Unavailable: Not now: another change is under way, or too few of the others answer.
        """
        if self._driver.raft.membership.member(node_id) is None:
            raise Refused("item-not-found", "cancel", f"There is no node {node_id}.")
        reply = await self._change(MembershipChange(remove=(node_id,)))
        if reply.error and reply.is_final:
            raise Refused("not-acceptable", "cancel", f"{reply.error[:1].upper()}{reply.error[1:]}.")
        if reply.error:
            raise Unavailable(reply.error)

    async def _change(self, change: MembershipChange) -> ChangeReply:
        """Have the leader begin a change."""
        driver = self._driver
        leader_id = driver.leader_id
        request = ChangeRequest(self._next_request_id, change)
        self._next_request_id += 1
        if leader_id == driver.node_id:
            return self._begin(request)
        if leader_id is None:
            raise Unavailable("no leader is known")
        answered: asyncio.Future[ChangeReply] = asyncio.get_running_loop().create_future()
        self._open[request.request_id] = answered
        try:
            if not driver.send(leader_id, request):
                raise Unavailable(f"node {leader_id}, which leads, cannot be reached")
            async with asyncio.timeout(driver.config.timing.status_ns / 1e9):
                return await answered
        except TimeoutError:
            raise Unavailable(f"node {leader_id}, which leads, does not answer") from None
        finally:
            del self._open[request.request_id]

    def change_answered(self, reply: ChangeReply) -> None:
        """Take the leader's answer."""
        answered = self._open.get(reply.request_id)
        if answered is not None and not answered.done():
            answered.set_result(reply)

    def change_requested(self, node_id: NodeId, request: ChangeRequest) -> None:
        """Do what another node asks on behalf of an operator or of a new node."""
        self._driver.send(node_id, self._begin(request))

    def _begin(self, request: ChangeRequest) -> ChangeReply:
        driver = self._driver
        change, membership = request.change, driver.raft.membership
        told = (*change.add, *change.update)
        if told and all(membership.member(member.node_id) == member for member in told):
            return ChangeReply(request.request_id, "", is_final=True)  # asked once more, by a node that is behind
        try:
            for member in told:
                peer_of(member)
            driver.raft.propose_membership(change, driver.now_ns())
        except (Busy, NotLeader) as error:
            return ChangeReply(request.request_id, str(error), is_final=False)
        except (LocalProtocolError, ValueError) as error:
            return ChangeReply(request.request_id, str(error), is_final=True)
        _LOG.info("the membership changes: %s", change)
        driver.request_turn()
        return ChangeReply(request.request_id, "", is_final=True)

    # For new nodes

    def join_requested(
        self, connection: InboundConnection, node_id: NodeId, fingerprint: str, request: JoinRequest
    ) -> None:
        """Look whether a new node may come in, and answer it."""
        self._driver.begin_chore(self._answer(connection, node_id, fingerprint, request), f"node {node_id} joins")

    async def _answer(
        self, connection: InboundConnection, node_id: NodeId, fingerprint: str, request: JoinRequest
    ) -> None:
        try:
            await self._let_in(node_id, fingerprint, request)
        except Refused as error:
            reply = JoinReply(error.text, is_final=True, members=())
        except (Unavailable, OutcomeUnknown) as error:
            reply = JoinReply(str(error), is_final=False, members=())
        else:
            reply = JoinReply("", is_final=True, members=self._driver.raft.membership.members)
        if reply.error:
            _LOG.warning("node %d is not let in: %s", node_id, reply.error)
        connection.send(reply)
        connection.finish()

    async def _let_in(self, node_id: NodeId, fingerprint: str, request: JoinRequest) -> None:
        """
        Make the bearer of a token a learner, unless it is a member already.

        Raises:
            Refused: The token is not good, or the request makes no sense.
            Unavailable, OutcomeUnknown: Ask again.
        """
        driver = self._driver
        if request.cluster_id != driver.config.cluster_id:
            raise Refused("bad-request", "cancel", f"This is another cluster than {request.cluster_id!r}.")
        if request.machine_version < driver.machine.machine_version:
            raise Refused("not-acceptable", "cancel", "The new node runs an older release than this cluster needs.")
        member = Member(node_id, request.address, bytes.fromhex(fingerprint))
        try:
            peer_of(member)
        except ValueError as error:
            raise Refused("bad-request", "cancel", f"{request.address!r} is no address.") from error
        key = member.fingerprint
        action = RedeemInvitation(node_id, token_digest(request.token), key, request.data_id)
        outcome = await execute(driver, action, self._entropy(_KEY_SIZE))
        if isinstance(outcome, Rejected):
            raise Refused(outcome.condition, outcome.kind, outcome.text)
        known = driver.raft.membership.member(node_id)
        if known != member:
            reply = await self._change(
                MembershipChange(add=(member,)) if known is None else MembershipChange(update=(member,))
            )
            if reply.error and reply.is_final:
                # Its id was overtaken, for one: a later invitation was used before, and ids only grow.
                raise Refused("not-acceptable", "cancel", f"{reply.error[:1].upper()}{reply.error[1:]}.")
            if reply.error:
                raise Unavailable(reply.error)
        await self._in_for_certain(member)

    async def _in_for_certain(self, member: Member) -> None:
        """
        Wait until a member's entry is committed: one that is cut would leave a node that never asks again, and that
        nobody talks to.

        Raises:
            OutcomeUnknown: It takes too long.
        """
        driver = self._driver
        raft = driver.raft
        try:
            async with asyncio.timeout(driver.config.timing.status_ns / 1e9):
                while raft.membership.member(member.node_id) != member or not driver.membership_is_certain:
                    await self._membership_is_certain.wait()
        except TimeoutError:
            raise OutcomeUnknown("it is not certain yet that the new node is in") from None

    def membership_settled(self) -> None:
        """The membership in force is certain now: let those look who wait for that."""
        self._membership_is_certain.set()
        self._membership_is_certain = asyncio.Event()

    # Who is who

    def check_data(self, node_id: NodeId, data_id: bytes) -> None:
        """
        Refuse a node that is known with other data: its disk is empty, or another's.

        Raises:
            RemoteProtocolError: It is.
        """
        profile = self._profiles().get(node_id)
        if profile is not None and data_id and profile.data_id != data_id:
            raise RemoteProtocolError(
                f"node {node_id} has lost its data: it must not come back under the same id, but be replaced"
            )

    def farewell_heard(self, node_id: NodeId, farewell: Farewell) -> None:
        """Take note that a peer does not talk to this node; if that is because it was removed, it stops."""
        if farewell.is_dismissed:
            self._driver.fail(Dismissed("this node is no member of its cluster any more: it was removed"))
        else:
            _LOG.error("node %d refuses this node: %s", node_id, farewell.reason)

    def peer_told(self, node_id: NodeId, hello: Hello) -> None:
        """Note what a node says of itself."""
        self._versions[node_id] = hello.machine_version

    def _profiles(self) -> dict[NodeId, NodeProfile]:
        rows = self._driver.machine.answer(NodeProfiles())
        assert isinstance(rows, list)
        return {row.node_id: row for row in rows if isinstance(row, NodeProfile)}

    # The leader's duties

    def keep_house(self, now_ns: int) -> None:
        """Look at what no event announces."""
        if now_ns - self._looked_ns < LOOK_NS or not self._driver.lives.is_live:
            return
        self._looked_ns = now_ns
        self._tell_profile()
        if self._driver.raft.role is Role.LEADER and not self._is_proposed:
            self._promote(now_ns)
            self._forget_gone()
            self._raise_version()

    def _tell_profile(self) -> None:
        """Begin this life once more if the cluster does not know where this node is, and by which data to know it."""
        driver = self._driver
        config = driver.config
        if driver.machine.machine_version < NODE_PROFILES_SINCE or not config.data_id:
            return
        own = NodeProfile(config.node_id, config.data_id, config.http_url, config.xmpp_address)
        if self._profiles().get(config.node_id) != own:
            driver.lives.begin()

    def _promote(self, now_ns: int) -> None:
        """Let a learner vote that has caught up and was invited; whom it replaces goes in the same change."""
        driver = self._driver
        raft = driver.raft
        for follower in raft.followers():
            if not (follower.is_learner and follower.is_caught_up):
                continue
            row = driver.machine.answer(InvitationOf(follower.node_id))
            if not isinstance(row, Invitation) or not row.fingerprint:
                continue
            is_replaced = raft.membership.member(row.replaces) is not None
            change = MembershipChange(promote=(follower.node_id,), remove=(row.replaces,) if is_replaced else ())
            try:
                raft.propose_membership(change, now_ns)
            except Busy as error:
                _LOG.debug("node %d is not promoted yet: %s", follower.node_id, error)
            else:
                _LOG.info("the membership changes: %s", change)
            return

    def _forget_gone(self) -> None:
        """Let nothing be kept of nodes that are members no more."""
        raft = self._driver.raft
        if not raft.membership_is_committed or raft.membership.is_joint:
            return
        members = {member.node_id for member in raft.membership.members}
        for node_id in sorted(self._profiles().keys() - members):
            if node_id <= raft.membership.node_id_max:
                self._propose(ForgetNode(node_id))
                return

    def _raise_version(self) -> None:
        """Raise the version of the state machine to what all members understand."""
        driver = self._driver
        others = [member.node_id for member in driver.raft.membership.members if member.node_id != driver.node_id]
        own = driver.config.machine_version_max
        understood = min([own, *(self._versions.get(node_id, 0) for node_id in others)])
        if understood > driver.machine.machine_version:
            _LOG.info("all members understand version %d of the state machine", understood)
            self._propose(RaiseVersion(understood))

    def _propose(self, action: Action) -> None:
        """Propose a duty of the leader's, one at a time."""
        self._is_proposed = True
        self._driver.propose(action, None, self._applied, essential=True)

    def _applied(self, _result: object) -> None:
        self._is_proposed = False
