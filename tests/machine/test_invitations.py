"""New nodes are let in once, known nodes are known by their data, and nothing is kept of those that are gone."""

from __future__ import annotations

import pytest

from machine.world import World
from raftline.base.ids import NodeId
from raftline.base.limits import INVITATION_AGE_MAX_MS, NODE_ADDRESS_SIZE_MAX
from raftline.machine.commands import KeyOrigin
from raftline.machine.node_commands import ForgetNode, InviteNode, RaiseVersion, RedeemInvitation, StartNode
from raftline.machine.outcomes import Done, Invited, Outcome, Rejected
from raftline.machine.queries import InvitationOf, NodeProfiles, SessionsOf
from raftline.machine.records import Invitation, NodeProfile

DIGEST = b"d" * 32
KEY, DATA = b"f" * 32, b"i" * 16


@pytest.fixture
def world(world: World) -> World:
    """A machine in which nodes can be invited."""
    world.do(RaiseVersion(2))
    return world


def invite(world: World, *, floor: int = 3, replaces: int = 0, lifetime_ms: int = 60_000) -> NodeId:
    outcome = world.do(InviteNode(DIGEST, floor, NodeId(replaces), lifetime_ms)).outcome
    assert isinstance(outcome, Done)
    assert isinstance(outcome.result, Invited)
    return outcome.result.node_id


def redeem(
    world: World, node_id: int, *, digest: bytes = DIGEST, fingerprint: bytes = KEY, data_id: bytes = DATA
) -> Outcome:
    return world.do(RedeemInvitation(NodeId(node_id), digest, fingerprint, data_id)).outcome


def condition(outcome: Outcome) -> str:
    return outcome.condition if isinstance(outcome, Rejected) else type(outcome).__name__


class TestInvitations:
    """A token is good once, for a while."""

    def test_ids_are_given_out_once(self, world: World):
        """Above all that members had, and above all that were given out, used or not."""
        assert [invite(world), invite(world), invite(world, floor=9), invite(world, floor=3)] == [4, 5, 10, 11]

    def test_who_shows_the_token_first_has_it(self, world: World):
        """The same node may show it again, after a lost answer or a crash; no other key and no other data."""
        node_id = invite(world, replaces=2)
        assert redeem(world, node_id) == Done()
        assert redeem(world, node_id) == Done()
        assert condition(redeem(world, node_id, fingerprint=b"g" * 32)) == "conflict"
        assert condition(redeem(world, node_id, data_id=b"j" * 16)) == "conflict"
        row = world.machine.answer(InvitationOf(node_id))
        assert isinstance(row, Invitation)
        assert (row.replaces, row.fingerprint, row.data_id) == (2, KEY, DATA)

    def test_another_token_or_id_is_none(self, world: World):
        """Nothing tells which of the two was wrong."""
        node_id = invite(world)
        assert condition(redeem(world, node_id, digest=b"e" * 32)) == "item-not-found"
        assert condition(redeem(world, node_id + 1)) == "item-not-found"
        assert world.machine.answer(InvitationOf(NodeId(node_id + 1))) is None

    def test_both_sides_of_its_lifetime(self, world: World):
        """By cluster time; who has shown it in time may show it again later."""
        early, late = invite(world, lifetime_ms=1000), invite(world, lifetime_ms=1000)
        world.time_ms += 1000
        assert redeem(world, early) == Done()
        world.time_ms += 1
        assert redeem(world, early) == Done()
        assert condition(redeem(world, late)) == "not-acceptable"

    def test_no_token_is_good_for_longer_than_a_day(self, world: World):
        """Whatever is asked for."""
        node_id = invite(world, lifetime_ms=1 << 60)
        world.time_ms += INVITATION_AGE_MAX_MS + 1
        assert condition(redeem(world, node_id)) == "not-acceptable"

    def test_old_ones_go(self, world: World):
        """Those that nobody used; those that were used stay until their node is forgotten."""
        used, unused = invite(world), invite(world)
        redeem(world, used)
        world.time_ms += 3 * INVITATION_AGE_MAX_MS
        invite(world)
        assert world.machine.answer(InvitationOf(unused)) is None
        assert world.machine.answer(InvitationOf(used)) is not None

    def test_a_digest_has_one_size(self, world: World):
        """One side and the other."""
        for size in (31, 33):
            assert condition(world.do(InviteNode(b"d" * size, 3, NodeId(0), 1)).outcome) == "bad-request"

    def test_a_retry_is_told_the_same_id(self, world: World):
        """Under a key an invitation happens once; the outcome survives in the table."""
        action = InviteNode(DIGEST, 3, NodeId(0), 1000)
        first = world.do(action, KeyOrigin(b"k" * 16)).outcome
        world.reopen(commit=True)
        assert world.do(action, KeyOrigin(b"k" * 16)).outcome == first == Done(Invited(NodeId(4)))


class TestKnownNodes:
    """D14: a node that comes back with another disk."""

    def test_a_start_tells_where_the_node_is(self, world: World):
        """The last one counts."""
        world.do(StartNode(NodeId(2), 5, DATA, "https://two", "two:5222"))
        world.do(StartNode(NodeId(1), 5, b"other", "https://one"))
        world.do(StartNode(NodeId(2), 6, DATA, "https://2", ""))
        assert world.machine.answer(NodeProfiles()) == [
            NodeProfile(NodeId(1), b"other", "https://one", ""),
            NodeProfile(NodeId(2), DATA, "https://2", ""),
        ]

    def test_other_data_is_refused(self, world: World):
        """An empty disk under a known name begins no life, and ends none."""
        world.do(StartNode(NodeId(1), 5, DATA))
        world.bind("alice", incarnation=5)
        result = world.do(StartNode(NodeId(1), 6, b"empty"))
        assert condition(result.outcome) == "conflict"
        assert result.events == []
        assert len(world.machine.answer(SessionsOf("alice"))) == 1
        assert world.do(StartNode(NodeId(1), 6, DATA)).outcome == Done()

    def test_a_stale_start_tells_nothing(self, world: World):
        """What an earlier life said of itself does not overwrite what the present one does."""
        world.do(StartNode(NodeId(1), 6, DATA, "https://new"))
        assert condition(world.do(StartNode(NodeId(1), 5, DATA, "https://old")).outcome) == "Stale"
        assert world.machine.answer(NodeProfiles()) == [NodeProfile(NodeId(1), DATA, "https://new", "")]

    def test_addresses_are_bounded(self, world: World):
        """Longer ones are cut, the same on every node."""
        world.do(StartNode(NodeId(1), 5, DATA, "h" * 1000, "x" * 1000))
        (row,) = world.machine.answer(NodeProfiles())
        assert (len(row.http_url), len(row.xmpp_address)) == (NODE_ADDRESS_SIZE_MAX, NODE_ADDRESS_SIZE_MAX)


class TestForgottenNodes:
    """Nodes that are members no more."""

    def test_nothing_is_kept_of_them(self, world: World):
        """Neither profile nor invitation nor sessions; and their old lives do not come again."""
        node_id = invite(world)
        redeem(world, node_id)
        world.do(StartNode(node_id, 5, DATA, "https://four"))
        world.bind("alice", node_id=node_id, incarnation=5)
        assert world.do(ForgetNode(node_id)).outcome == Done()
        assert world.machine.answer(NodeProfiles()) == []
        assert world.machine.answer(InvitationOf(node_id)) is None
        assert world.machine.answer(SessionsOf("alice")) == []
        assert condition(world.do(StartNode(node_id, 5, DATA)).outcome) == "Stale"

    def test_a_node_that_never_was(self, world: World):
        """Idempotent by nature."""
        assert world.do(ForgetNode(NodeId(9))).outcome == Done()
        assert world.count("node") == 0
