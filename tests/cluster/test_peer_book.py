"""Whom a node talks to, as memberships come and go."""

from __future__ import annotations

import pytest

from raftline.base.ids import LogIndex, NodeId
from raftline.cluster.config import Peer
from raftline.cluster.peer_book import PeerBook, founding_membership, member_of, peer_of
from raftline.raft.membership import NOBODY, Member, Membership, initial_membership


def peer(node_id: int) -> Peer:
    return Peer(f"host{node_id}", 5000 + node_id, f"{node_id:064x}")


def peers(*node_ids: int) -> dict[NodeId, Peer]:
    return {NodeId(node_id): peer(node_id) for node_id in node_ids}


def members(*node_ids: int) -> Membership:
    return founding_membership(peers(*node_ids))


def book(own: int, *contacts: int) -> PeerBook:
    return PeerBook(NodeId(own), peers(*contacts))


def follow(book: PeerBook, membership: Membership, index: int, *, is_committed: bool = True) -> bool:
    return book.follow(membership, LogIndex(index), is_committed=is_committed)


@pytest.mark.parametrize("host", ["one.example.org", "127.0.0.1", "2001:db8::1"])
def test_addresses_survive_memberships(host: str) -> None:
    """What a membership says of a node is what its peer is, also with colons in the address."""
    one = Peer(host, 5269, "ab" * 32)
    assert peer_of(member_of(NodeId(1), one)) == one


def test_a_member_at_no_address() -> None:
    """What cannot be dialled is an error, not a guess."""
    with pytest.raises(ValueError, match="invalid literal"):
        peer_of(Member(NodeId(1), "somewhere", b""))


class TestFollowing:
    """The membership in force."""

    def test_founders_know_each_other(self) -> None:
        """Nothing changes when the founding membership is followed."""
        one = book(1, 1, 2, 3)
        assert set(one.known) == {2, 3}
        assert not follow(one, members(1, 2, 3), 0)
        assert one.peer(NodeId(2)) == peer(2)
        assert one.peer(NodeId(1)) is None

    def test_a_change_is_followed_at_once_and_undone_late(self) -> None:
        """Who is new is known when the entry is there; who is left out is kept until that is committed."""
        one = book(1, 1, 2, 3)
        follow(one, members(1, 2, 3), 0)
        assert follow(one, members(1, 2, 4), 7, is_committed=False)
        assert set(one.known) == {2, 3, 4}
        assert not one.is_dismissed(NodeId(3))
        assert follow(one, members(1, 2, 4), 7)
        assert set(one.known) == {2, 4}
        assert one.is_dismissed(NodeId(3))
        assert not one.is_dismissed(NodeId(5)), "nobody has had that number yet"

    def test_a_change_that_is_taken_back(self) -> None:
        """Nobody was cut off, so nobody is missing."""
        one = book(1, 1, 2, 3)
        follow(one, members(1, 2, 3), 0)
        follow(one, members(1, 4), 7, is_committed=False)
        assert follow(one, members(1, 2, 3), 0)
        assert set(one.known) == {2, 3}

    def test_an_address_that_changes(self) -> None:
        """It is somewhere else from then on."""
        one = book(1, 1, 2)
        moved = initial_membership([member_of(NodeId(1), peer(1)), member_of(NodeId(2), Peer("new", 1, "00" * 32))])
        assert follow(one, moved, 5)
        assert one.peer(NodeId(2)) == Peer("new", 1, "00" * 32)


class TestJoining:
    """A node that knows nothing but whom it was told of."""

    def test_contacts_count_until_it_is_a_member(self) -> None:
        """Old memberships, which it replays, must not cut it off from those who lead now."""
        six = book(6, 4, 5, 6)
        assert not follow(six, NOBODY, 0)
        follow(six, members(1, 2, 3), 0)
        assert set(six.known) == {1, 2, 3, 4, 5}
        follow(six, members(3, 4, 5), 9)
        assert set(six.known) == {3, 4, 5}
        follow(six, members(4, 5, 6), 12)
        assert set(six.known) == {4, 5}


class TestIntroductions:
    """Hellos tell of later memberships."""

    def test_who_is_behind_learns_of_those_who_lead_now(self) -> None:
        """Until its own log has come as far."""
        two = book(2, 1, 2, 3)
        follow(two, members(1, 2, 3), 0)
        assert two.introduce(members(2, 3, 4).members, LogIndex(30))
        assert set(two.known) == {1, 3, 4}
        follow(two, members(1, 2, 3, 4), 20)
        assert set(two.known) == {1, 3, 4}
        follow(two, members(2, 3, 4), 30)
        assert set(two.known) == {3, 4}

    def test_old_news_is_none(self) -> None:
        """A peer that is behind tells nothing that counts."""
        two = book(2, 1, 2, 3)
        follow(two, members(2, 3, 4), 30)
        assert not two.introduce(members(1, 2, 3).members, LogIndex(20))
        assert not two.introduce(members(1, 2, 3).members, LogIndex(30))
        assert set(two.known) == {3, 4}
