"""Rosters (RFC 6121 section 2)."""

from __future__ import annotations

import pytest

from machine.world import DOMAIN, World
from raftline.base.limits import ROSTER_GROUP_COUNT_MAX, ROSTER_GROUP_SIZE_MAX, ROSTER_ITEM_COUNT_MAX
from raftline.machine import rosters
from raftline.machine.commands import DeclareInterest, DeleteAccount, RemoveRosterItem, SetRosterItem, SubscriptionKind
from raftline.machine.outcomes import (
    ContactUnavailable,
    Done,
    PresenceArrived,
    Rejected,
    RosterItem,
    RosterPushed,
    SubscriptionChanged,
)
from raftline.machine.queries import Roster, RosterOf, SubscriptionOf

BOB = f"bob@{DOMAIN}"


def test_an_item_is_added_and_changed(world: World):
    """2.3 and 2.4: each change is pushed to the sessions that asked for the roster, with a growing version."""
    alice, desk = world.online("alice", "phone"), world.online("alice", "desk")
    world.online("alice", "no roster", interested=False)
    version = world.machine.answer(RosterOf("alice")).version
    result = alice.do(SetRosterItem(BOB, "Bob", ("Friends", "Work")))
    first = RosterItem(BOB, "Bob", "none", ask=False, groups=("Friends", "Work"))
    assert result.events == [RosterPushed(1, client.session_id, first, version + 1) for client in (alice, desk)]
    alice.do(SetRosterItem(BOB, "Robert", ()))
    second = RosterItem(BOB, "Robert", "none", ask=False, groups=())
    assert world.machine.answer(RosterOf("alice")) == Roster(version + 2, [second])


def test_a_change_of_the_name_leaves_the_subscription(world: World):
    """2.4.2: subscription and ask are the server's."""
    alice, bob = world.online("alice"), world.online("bob")
    world.befriend(alice, bob)
    alice.do(SetRosterItem(BOB, "Bob", ()))
    assert [item.subscription for item in world.machine.answer(RosterOf("alice")).items] == ["both"]


@pytest.mark.parametrize(
    ("item", "condition"),
    [
        (SetRosterItem("", "", ()), "bad-request"),
        (SetRosterItem("x" * 3072, "", ()), "bad-request"),
        (SetRosterItem(f"alice@{DOMAIN}", "", ()), "not-allowed"),
        (SetRosterItem(BOB, "x" * 1024, ()), "not-acceptable"),
        (SetRosterItem(BOB, "", ("a", "a")), "bad-request"),
        (SetRosterItem(BOB, "", ("",)), "not-acceptable"),
        (SetRosterItem(BOB, "", ("x" * (ROSTER_GROUP_SIZE_MAX + 1),)), "not-acceptable"),
        (SetRosterItem(BOB, "", tuple(map(str, range(ROSTER_GROUP_COUNT_MAX + 1)))), "not-acceptable"),
    ],
)
def test_what_an_item_may_not_be(world: World, item: SetRosterItem, condition: str):
    """2.3.3: each refusal has its condition and leaves the roster alone."""
    before = world.machine.answer(RosterOf("alice"))
    outcome = world.online("alice").do(item).outcome
    assert isinstance(outcome, Rejected)
    assert outcome.condition == condition
    assert world.machine.answer(RosterOf("alice")) == before


def test_an_address_may_be_short(world: World):
    """A host name of one letter is an address."""
    alice = world.online("alice")
    assert alice.do(SetRosterItem("x", "", ())).outcome == Done()


def test_a_roster_has_so_many_items_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch):
    """The bound refuses new items, by both ways to get one, not changes of those that are there."""
    assert ROSTER_ITEM_COUNT_MAX >= 1000
    monkeypatch.setattr(rosters, "ROSTER_ITEM_COUNT_MAX", 1)
    alice = world.online("alice")
    alice.do(SetRosterItem(BOB, "", ()))
    carol = f"carol@{DOMAIN}"
    for result in (
        alice.do(SetRosterItem(carol, "", ())),
        alice.subscription(SubscriptionKind.SUBSCRIBE, carol),
    ):
        assert isinstance(result.outcome, Rejected)
        assert result.outcome.condition == "resource-constraint"
    assert alice.do(SetRosterItem(BOB, "Bob", ())).outcome == Done()


def test_a_full_roster_does_not_keep_a_request(world: World, monkeypatch: pytest.MonkeyPatch):
    """What adds no item is not refused: a request can be withdrawn or denied."""
    alice, bob = world.online("alice"), world.online("bob")
    bob.subscription(SubscriptionKind.SUBSCRIBE, alice.jid)
    monkeypatch.setattr(rosters, "ROSTER_ITEM_COUNT_MAX", 0)
    for kind in (SubscriptionKind.UNSUBSCRIBE, SubscriptionKind.UNSUBSCRIBED):
        assert alice.subscription(kind, bob.jid).outcome == Done()
    assert world.count("request") == 0


class TestSection25:
    """Deleting a roster item."""

    def test_both_subscriptions_end(self, world: World):
        """The contact sees the user go, both unsubscribe and unsubscribed; the user's push says `remove`."""
        alice, bob = world.online("alice"), world.online("bob")
        world.befriend(alice, bob)
        result = alice.do(RemoveRosterItem(BOB))
        pushes = [event for event in result.events if isinstance(event, RosterPushed)]
        assert [(push.session_id, push.item.subscription) for push in pushes] == [
            (alice.session_id, "remove"),
            (bob.session_id, "to"),
            (bob.session_id, "none"),
        ]
        kinds = [event.kind for event in result.events if isinstance(event, SubscriptionChanged)]
        assert kinds == ["unsubscribe", "unsubscribed"]
        gone = {event.session_id for event in result.events if isinstance(event, ContactUnavailable)}
        assert gone == {alice.session_id, bob.session_id}
        assert world.machine.answer(RosterOf("alice")).items == []
        assert world.machine.answer(SubscriptionOf("bob", alice.jid)) is False

    def test_requests_under_way_end(self, world: World):
        """One's own is called back, the contact's is denied."""
        alice, bob = world.online("alice"), world.online("bob")
        alice.subscription(SubscriptionKind.SUBSCRIBE, bob.jid)
        bob.subscription(SubscriptionKind.SUBSCRIBE, alice.jid)
        alice.do(RemoveRosterItem(BOB))
        (item,) = world.machine.answer(RosterOf("bob")).items
        assert (item.subscription, item.ask) == ("none", False)
        assert world.count("request") == 0

    def test_what_is_not_there_cannot_be_removed(self, world: World):
        """2.5.3: item-not-found; a request of somebody who is not in the roster stays."""
        alice, bob = world.online("alice"), world.online("bob")
        bob.subscription(SubscriptionKind.SUBSCRIBE, alice.jid)
        outcome = alice.do(RemoveRosterItem(BOB)).outcome
        assert isinstance(outcome, Rejected)
        assert outcome.condition == "item-not-found"
        assert world.count("request") == 1

    def test_an_item_of_another_server_just_goes(self, world: World):
        """There is nobody to tell."""
        alice = world.online("alice")
        alice.do(SetRosterItem("x@elsewhere.org", "", ()))
        assert [type(event) for event in alice.do(RemoveRosterItem("x@elsewhere.org")).events] == [RosterPushed]


def test_interest_is_declared_once(world: World):
    """A second declaration changes no row but the session's count."""
    alice = world.bind("alice")
    alice.do(DeclareInterest())
    before = world.machine.scrub_digest("session")
    alice.do(DeclareInterest())
    assert world.machine.scrub_digest("session") == before
    assert world.machine.answer(RosterOf("nobody")) == Roster(0, [])


def test_presence_of_a_removed_contact_stays_away(world: World):
    """After a removal neither side gets the other's presence."""
    alice, bob = world.online("alice"), world.online("bob")
    world.befriend(alice, bob)
    alice.do(RemoveRosterItem(BOB))
    for client, other in ((alice, bob), (bob, alice)):
        events = client.present(5).events
        assert not any(isinstance(event, PresenceArrived) and event.session_id == other.session_id for event in events)


def test_no_version_of_an_earlier_account_comes_again(world: World):
    """2.6.2: whoever kept the roster of a deleted account is not told that nothing changed."""
    alice = world.online("alice")
    alice.do(SetRosterItem(BOB, "Bob", ()))
    kept = world.machine.answer(RosterOf("alice")).version
    world.do(DeleteAccount("alice"))
    world.account("alice")
    assert world.machine.answer(RosterOf("alice")).version > kept


class TestChangesSince:
    """2.6: what a client has to be told that knows an older version."""

    def changes(self, world: World, version: int) -> list[tuple[str, str, str, int]]:
        context = world.machine._context
        account = context.accounts.get("alice")
        assert account is not None
        found = rosters.changes_since(context, account, version)
        return [(item.contact, item.name, item.subscription, version) for item, version in found]

    def test_the_last_change_of_each_contact_in_order(self, world: World):
        """Items as they are now, removals, and nothing that was known."""
        alice = world.online("alice")
        start = world.machine.answer(RosterOf("alice")).version
        for contact, name in (("a@x", "1"), ("b@x", "1"), ("c@x", "1"), ("a@x", "2")):
            alice.do(SetRosterItem(contact, name, ()))
        alice.do(RemoveRosterItem("b@x"))
        expected = [
            ("c@x", "1", "none", start + 3),
            ("a@x", "2", "none", start + 4),
            ("b@x", "", "remove", start + 5),
        ]
        assert self.changes(world, start) == expected
        assert self.changes(world, start + 3) == expected[1:]
        assert self.changes(world, start + 5) == []

    def test_a_contact_that_comes_back_was_not_removed(self, world: World):
        """The removal is forgotten."""
        alice = world.online("alice")
        start = world.machine.answer(RosterOf("alice")).version
        for action in (SetRosterItem("a@x", "1", ()), RemoveRosterItem("a@x"), SetRosterItem("a@x", "2", ())):
            alice.do(action)
        assert self.changes(world, start) == [("a@x", "2", "none", start + 3)]
        assert world.count("removed_contact") == 0

    def test_subscriptions_count_as_changes(self, world: World):
        """Whoever caused them."""
        alice, bob = world.online("alice"), world.online("bob")
        world.befriend(alice, bob)
        version = world.machine.answer(RosterOf("alice")).version
        bob.subscription(SubscriptionKind.UNSUBSCRIBED, alice.jid)
        assert self.changes(world, version) == [(bob.jid, "", "from", version + 1)]

    def test_the_oldest_removals_are_forgotten(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """The memory is bounded, and goes with the account."""
        monkeypatch.setattr(rosters, "ROSTER_REMOVAL_COUNT_MAX", 2)
        alice = world.online("alice")
        start = world.machine.answer(RosterOf("alice")).version
        for contact in ("c@x", "b@x", "a@x"):
            alice.do(SetRosterItem(contact, "", ()))
            alice.do(RemoveRosterItem(contact))
        assert [contact for contact, *_ in self.changes(world, start)] == ["b@x", "a@x"]
        world.do(DeleteAccount("alice"))
        assert world.count("removed_contact") == 0
