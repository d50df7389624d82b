"""Subscriptions against the tables of RFC 6121 appendix A, and through the machine."""

from __future__ import annotations

import pytest

from machine.world import DOMAIN, Client, World
from raftline.machine import subscriptions
from raftline.machine.commands import RemoveRosterItem, SubscriptionKind
from raftline.machine.outcomes import (
    ContactUnavailable,
    Done,
    PresenceArrived,
    Rejected,
    RosterPushed,
    SubscriptionChanged,
)
from raftline.machine.queries import RosterOf, SubscriptionOf
from raftline.machine.subscriptions import APPROVED, FROM, IN, OUT, TO, inbound, outbound

SUBSCRIBE, SUBSCRIBED = SubscriptionKind.SUBSCRIBE, SubscriptionKind.SUBSCRIBED
UNSUBSCRIBE, UNSUBSCRIBED = SubscriptionKind.UNSUBSCRIBE, SubscriptionKind.UNSUBSCRIBED

STATES = {
    "None": 0,
    "None + Pending Out": OUT,
    "None + Pending In": IN,
    "None + Pending Out+In": OUT | IN,
    "To": TO,
    "To + Pending In": TO | IN,
    "From": FROM,
    "From + Pending Out": FROM | OUT,
    "Both": TO | FROM,
}

# Each line: existing state, routed or delivered?, new state (None: no change).
A_2_1 = [  # outbound subscribe
    ("None", True, "None + Pending Out"),
    ("None + Pending Out", True, None),
    ("None + Pending In", True, "None + Pending Out+In"),
    ("None + Pending Out+In", True, None),
    ("To", True, None),
    ("To + Pending In", True, None),
    ("From", True, "From + Pending Out"),
    ("From + Pending Out", True, None),
    ("Both", True, None),
]
A_2_2 = [  # outbound unsubscribe
    ("None", True, None),
    ("None + Pending Out", True, "None"),
    ("None + Pending In", True, None),
    ("None + Pending Out+In", True, "None + Pending In"),
    ("To", True, "None"),
    ("To + Pending In", True, "None + Pending In"),
    ("From", True, None),
    ("From + Pending Out", True, "From"),
    ("Both", True, "From"),
]
A_2_3 = [  # outbound subscribed, without pre-approval
    ("None", False, None),
    ("None + Pending Out", False, None),
    ("None + Pending In", True, "From"),
    ("None + Pending Out+In", True, "From + Pending Out"),
    ("To", False, None),
    ("To + Pending In", True, "Both"),
    ("From", False, None),
    ("From + Pending Out", False, None),
    ("Both", False, None),
]
A_2_4 = [  # outbound unsubscribed
    ("None", False, None),
    ("None + Pending Out", False, None),
    ("None + Pending In", True, "None"),
    ("None + Pending Out+In", True, "None + Pending Out"),
    ("To", False, None),
    ("To + Pending In", True, "To"),
    ("From", True, "None"),
    ("From + Pending Out", True, "None + Pending Out"),
    ("Both", True, "To"),
]
A_3_1 = [  # inbound subscribe
    ("None", True, "None + Pending In"),
    ("None + Pending Out", True, "None + Pending Out+In"),
    ("None + Pending In", False, None),
    ("None + Pending Out+In", False, None),
    ("To", True, "To + Pending In"),
    ("To + Pending In", False, None),
    ("From", False, None),
    ("From + Pending Out", False, None),
    ("Both", False, None),
]
A_3_2 = [  # inbound unsubscribe
    ("None", False, None),
    ("None + Pending Out", False, None),
    ("None + Pending In", True, "None"),
    ("None + Pending Out+In", True, "None + Pending Out"),
    ("To", False, None),
    ("To + Pending In", True, "To"),
    ("From", True, "None"),
    ("From + Pending Out", True, "None + Pending Out"),
    ("Both", True, "To"),
]
A_3_3 = [  # inbound subscribed
    ("None", False, None),
    ("None + Pending Out", True, "To"),
    ("None + Pending In", False, None),
    ("None + Pending Out+In", True, "To + Pending In"),
    ("To", False, None),
    ("To + Pending In", False, None),
    ("From", False, None),
    ("From + Pending Out", True, "Both"),
    ("Both", False, None),
]
A_3_4 = [  # inbound unsubscribed
    ("None", False, None),
    ("None + Pending Out", True, "None"),
    ("None + Pending In", False, None),
    ("None + Pending Out+In", True, "None + Pending In"),
    ("To", True, "None"),
    ("To + Pending In", True, "None + Pending In"),
    ("From", False, None),
    ("From + Pending Out", True, "From"),
    ("Both", True, "From"),
]


@pytest.mark.parametrize(
    ("transition", "kind", "table"),
    [
        pytest.param(outbound, SUBSCRIBE, A_2_1, id="A.2.1"),
        pytest.param(outbound, UNSUBSCRIBE, A_2_2, id="A.2.2"),
        pytest.param(outbound, SUBSCRIBED, A_2_3, id="A.2.3"),
        pytest.param(outbound, UNSUBSCRIBED, A_2_4, id="A.2.4"),
        pytest.param(inbound, SUBSCRIBE, A_3_1, id="A.3.1"),
        pytest.param(inbound, UNSUBSCRIBE, A_3_2, id="A.3.2"),
        pytest.param(inbound, SUBSCRIBED, A_3_3, id="A.3.3"),
        pytest.param(inbound, UNSUBSCRIBED, A_3_4, id="A.3.4"),
    ],
)
def test_transitions_are_those_of_appendix_a(transition, kind, table):
    """Every state of every table."""
    assert [before for before, _, _ in table] == list(STATES)
    for before, passed, after in table:
        found = transition(kind, STATES[before])
        assert (found[0], found[1] & ~APPROVED) == (passed, STATES[after or before]), before


def pair(world: World) -> tuple[Client, Client]:
    return world.online("alice", "a"), world.online("bob", "b")


def subscription(world: World, localpart: str, contact: str) -> tuple[str, bool] | None:
    items = world.machine.answer(RosterOf(localpart)).items
    return next(((item.subscription, item.ask) for item in items if item.contact == f"{contact}@{DOMAIN}"), None)


def of_kind(events, kind, client):
    return [event for event in events if isinstance(event, kind) and event.session_id == client.session_id]


class TestSection31:
    """Requesting a subscription."""

    def test_a_request_is_pushed_to_the_user_and_shown_to_the_contact(self, world: World):
        """3.1.2 and 3.1.3: roster push with ask on one side, the stanza and no roster item on the other."""
        alice, bob = pair(world)
        version = world.machine.answer(RosterOf("alice")).version
        result = alice.subscription(SUBSCRIBE, bob.jid)
        assert result.outcome == Done()
        (push,) = of_kind(result.events, RosterPushed, alice)
        assert (push.item.subscription, push.item.ask, push.version) == ("none", True, version + 1)
        (shown,) = of_kind(result.events, PresenceArrived, bob)
        assert b"type='subscribe'" in shown.stanza
        assert subscription(world, "bob", "alice") is None

    def test_an_approval_gives_presence(self, world: World):
        """3.1.5 and 3.1.6: both rosters are pushed, then the contact's presence comes."""
        alice, bob = pair(world)
        alice.subscription(SUBSCRIBE, bob.jid)
        result = bob.subscription(SUBSCRIBED, alice.jid)
        (bob_push,) = of_kind(result.events, RosterPushed, bob)
        assert bob_push.item.subscription == "from"
        to_alice = [event for event in result.events if event.session_id == alice.session_id]
        assert [type(event) for event in to_alice] == [PresenceArrived, RosterPushed, PresenceArrived]
        assert b"type='subscribed'" in to_alice[0].stanza
        assert (to_alice[1].item.subscription, to_alice[1].item.ask) == ("to", False)
        assert b"type=" not in to_alice[2].stanza
        assert world.machine.answer(SubscriptionOf("bob", alice.jid)) is True
        assert world.machine.answer(SubscriptionOf("alice", bob.jid)) is False

    def test_a_request_waits_for_a_contact_that_is_away(self, world: World):
        """3.1.3: it is kept, and sent again with each initial presence until it is answered."""
        alice = world.online("alice", "a")
        alice.subscription(SUBSCRIBE, f"bob@{DOMAIN}")
        for resource in ("first", "second"):
            bob = world.bind("bob", resource)
            shown = of_kind(bob.present().events, PresenceArrived, bob)
            assert sum(b"type='subscribe'" in event.stanza for event in shown) == 1
            assert not any(b"'subscribe'" in event.stanza for event in bob.present().events)
            bob.end()
        bob = world.online("bob")
        bob.subscription(UNSUBSCRIBED, alice.jid)
        bob.end()
        bob = world.bind("bob")
        assert not any(b"'subscribe'" in event.stanza for event in bob.present().events)

    def test_a_repeated_request_is_not_shown_again(self, world: World):
        """A.3.1: one request pends."""
        alice, bob = pair(world)
        alice.subscription(SUBSCRIBE, bob.jid)
        assert alice.subscription(SUBSCRIBE, bob.jid).events == []

    def test_a_request_for_what_is_granted_is_answered_by_the_server(self, world: World):
        """3.1.3: already subscribed, so `subscribed` comes back and the contact is not asked."""
        alice, bob = pair(world)
        world.befriend(alice, bob)
        result = alice.subscription(SUBSCRIBE, bob.jid)
        assert of_kind(result.events, PresenceArrived, bob) == []
        assert [bob.full_jid.encode() in e.stanza for e in of_kind(result.events, PresenceArrived, alice)] == [True]
        assert subscription(world, "alice", "bob") == ("both", False)

    def test_unanswered_requests_have_a_bound(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """Beyond it the server denies for the account."""
        monkeypatch.setattr(subscriptions, "SUBSCRIPTION_REQUEST_COUNT_MAX", 1)
        for localpart, denied in (("alice", 0), ("bob", 1)):
            client = world.online(localpart)
            result = client.subscription(SUBSCRIBE, f"carol@{DOMAIN}")
            assert len(of_kind(result.events, SubscriptionChanged, client)) == denied
            assert subscription(world, localpart, "carol") == ("none", not denied)
        assert world.count("request") == 1

    def test_an_unknown_account_refuses(self, world: World):
        """3.1.3: `unsubscribed` comes back, and the request is over."""
        alice = world.online("alice", "a")
        result = alice.subscription(SUBSCRIBE, f"nobody@{DOMAIN}")
        (refusal,) = of_kind(result.events, SubscriptionChanged, alice)
        assert (refusal.kind, refusal.from_jid, refusal.to_jid) == ("unsubscribed", f"nobody@{DOMAIN}", alice.jid)
        assert subscription(world, "alice", "nobody") == ("none", False)

    @pytest.mark.parametrize(
        ("contact", "condition"), [("x@elsewhere.org", "remote-server-not-found"), (f"alice@{DOMAIN}", "not-allowed")]
    )
    def test_some_contacts_cannot_be(self, world: World, contact: str, condition: str):
        """Other servers, and oneself."""
        alice = world.online("alice", "a")
        outcome = alice.subscription(SUBSCRIBE, contact).outcome
        assert isinstance(outcome, Rejected)
        assert outcome.condition == condition
        assert world.machine.answer(RosterOf("alice")).items == []


class TestSection32:
    """Cancelling a subscription from another entity."""

    def test_the_contact_sees_the_user_go(self, world: World):
        """3.2.2: unavailable first, while still subscribed, then `unsubscribed` and the push."""
        alice, bob = pair(world)
        world.befriend(alice, bob)
        result = bob.subscription(UNSUBSCRIBED, alice.jid)
        to_alice = [event for event in result.events if event.session_id == alice.session_id]
        assert [type(event) for event in to_alice] == [ContactUnavailable, PresenceArrived, RosterPushed]
        assert to_alice[0].full_jid == bob.full_jid
        assert subscription(world, "alice", "bob") == ("from", False)
        assert subscription(world, "bob", "alice") == ("to", False)
        assert of_kind(bob.present(3).events, PresenceArrived, alice) == []

    def test_a_request_is_denied(self, world: World):
        """3.1.4: the user's request ends, the contact gains no roster item."""
        alice, bob = pair(world)
        alice.subscription(SUBSCRIBE, bob.jid)
        bob.subscription(UNSUBSCRIBED, alice.jid)
        assert subscription(world, "alice", "bob") == ("none", False)
        assert subscription(world, "bob", "alice") is None


class TestSection33:
    """Unsubscribing."""

    def test_both_sides_are_told(self, world: World):
        """3.3.2 and 3.3.3: pushes on both sides, and the contact's sessions become unavailable for the user."""
        alice, bob = pair(world)
        world.befriend(alice, bob)
        result = alice.subscription(UNSUBSCRIBE, bob.jid)
        to_bob = [event for event in result.events if event.session_id == bob.session_id]
        assert [type(event) for event in to_bob] == [PresenceArrived, RosterPushed]
        assert b"type='unsubscribe'" in to_bob[0].stanza
        (gone,) = of_kind(result.events, ContactUnavailable, alice)
        assert gone.full_jid == bob.full_jid
        assert subscription(world, "alice", "bob") == ("from", False)
        assert subscription(world, "bob", "alice") == ("to", False)

    def test_a_request_is_called_back(self, world: World):
        """A.2.2: unsubscribe while pending: nobody is asked any more."""
        alice = world.online("alice", "a")
        alice.subscription(SUBSCRIBE, f"bob@{DOMAIN}")
        alice.subscription(UNSUBSCRIBE, f"bob@{DOMAIN}")
        assert subscription(world, "alice", "bob") == ("none", False)
        bob = world.bind("bob")
        assert not any(b"'subscribe'" in event.stanza for event in bob.present().events)


class TestSection34:
    """3.4. Pre-approval."""

    def test_it_is_noted_and_not_routed(self, world: World):
        """3.4.2: a roster item that says so is pushed; the contact hears nothing, and once more changes nothing."""
        alice, bob = pair(world)
        result = alice.subscription(SUBSCRIBED, bob.jid)
        [push] = result.events
        assert isinstance(push, RosterPushed)
        assert (push.session_id, push.item.subscription, push.item.approved) == (alice.session_id, "none", True)
        assert alice.subscription(SUBSCRIBED, bob.jid).events == []

    def test_a_request_is_granted_at_once(self, world: World):
        """3.4.2: the contact is subscribed and sees presence; the user is not asked, and approval stays."""
        alice, bob = pair(world)
        alice.subscription(SUBSCRIBED, bob.jid)
        result = bob.subscription(SUBSCRIBE, alice.jid)
        assert [event.item.subscription for event in of_kind(result.events, RosterPushed, bob)] == ["none", "to"]
        assert [event.kind for event in of_kind(result.events, SubscriptionChanged, bob)] == ["subscribed"]
        assert len(of_kind(result.events, PresenceArrived, bob)) == 1
        [push] = of_kind(result.events, RosterPushed, alice)
        assert (push.item.subscription, push.item.approved) == ("from", True)
        assert of_kind(result.events, PresenceArrived, alice) == []
        assert world.machine.answer(SubscriptionOf("alice", bob.jid)) is True

    def test_it_can_be_taken_back(self, world: World):
        """3.4.2: unsubscribed cancels it without a word to the contact; the next request is asked about."""
        alice, bob = pair(world)
        alice.subscription(SUBSCRIBED, bob.jid)
        result = alice.subscription(UNSUBSCRIBED, bob.jid)
        assert [event.item.approved for event in of_kind(result.events, RosterPushed, alice)] == [False]
        assert of_kind(result.events, PresenceArrived, bob) == []
        assert len(of_kind(bob.subscription(SUBSCRIBE, alice.jid).events, PresenceArrived, alice)) == 1

    def test_it_goes_with_the_roster_item(self, world: World):
        """2.5: whoever is removed is not approved any more."""
        alice, bob = pair(world)
        alice.subscription(SUBSCRIBED, bob.jid)
        alice.do(RemoveRosterItem(bob.jid))
        assert len(of_kind(bob.subscription(SUBSCRIBE, alice.jid).events, PresenceArrived, alice)) == 1

    def test_a_subscription_needs_none(self, world: World):
        """3.4.2: to a contact that is subscribed, or has asked, it is the plain answer."""
        alice, bob = pair(world)
        bob.subscription(SUBSCRIBE, alice.jid)
        alice.subscription(SUBSCRIBED, bob.jid)
        assert alice.subscription(SUBSCRIBED, bob.jid).events == []
        [item] = world.machine.answer(RosterOf("alice")).items
        assert (item.subscription, item.approved) == ("from", False)


def test_each_session_hears_what_it_is_there_for(world: World):
    """3.1.3, 3.1.6: requests go to who is available, answers to who asked for the roster, whoever else is bound."""

    def heard(result) -> list[int]:
        return [event.session_id for event in result.events if isinstance(event, PresenceArrived)]

    alice = [
        world.online("alice", "away", priority=None, interested=False),
        world.online("alice", "reader", priority=None),
        world.online("alice", "plain", interested=False),
        world.online("alice", "phone"),
    ]
    bob = world.online("bob")
    asked = bob.subscription(SUBSCRIBE, alice[0].jid)
    assert heard(asked) == [alice[2].session_id, alice[3].session_id]
    alice[3].subscription(SUBSCRIBE, bob.jid)
    answered = bob.subscription(UNSUBSCRIBED, alice[0].jid)
    assert heard(answered) == [alice[1].session_id, alice[3].session_id]
