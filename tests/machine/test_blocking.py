"""Block lists (XEP-0191): what they keep apart, in the order of the log."""

from __future__ import annotations

import pytest

from machine.world import DOMAIN, Client, World, arrivals
from raftline.machine import blocking
from raftline.machine.commands import (
    ChangeBlocklist,
    DeclareBlocklistInterest,
    DeleteAccount,
    SetRosterItem,
    SubscriptionKind,
)
from raftline.machine.message_commands import MessageKind, Storage
from raftline.machine.outcomes import (
    BlocklistChanged,
    CommandResult,
    ContactUnavailable,
    Done,
    MessageBounced,
    PresenceArrived,
    Rejected,
    RosterPushed,
    SubscriptionChanged,
)
from raftline.machine.queries import (
    ArchivePage,
    Block,
    BlockBetween,
    BlocklistOf,
    Reachable,
    RosterOf,
    SubscriptionOf,
)

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
STORED = int(Storage.ARCHIVE | Storage.OFFLINE)
REFUSED = Rejected("not-acceptable", "cancel", "You have blocked this address.", "{urn:xmpp:blocking:errors}blocked")


def block(client: Client, *addresses: str) -> CommandResult:
    result = client.do(ChangeBlocklist(True, addresses))
    assert result.outcome == Done()
    return result


def unblock(client: Client, *addresses: str) -> CommandResult:
    result = client.do(ChangeBlocklist(False, addresses))
    assert result.outcome == Done()
    return result


def listed(world: World, localpart: str) -> tuple[str, ...]:
    answer = world.machine.answer(BlocklistOf(localpart))
    assert isinstance(answer, tuple)
    return answer


def presences(result: CommandResult, client: Client) -> list[str]:
    """What a session sees of presence: a stanza, or the address that went away."""
    return [
        event.stanza.decode() if isinstance(event, PresenceArrived) else f"-{event.full_jid}"
        for event in result.events
        if isinstance(event, PresenceArrived | ContactUnavailable) and event.session_id == client.session_id
    ]


class TestSection2Matching:
    """2. JID matching."""

    @pytest.mark.parametrize(
        ("address", "jid", "matches"),
        [
            ("bob@example.org/a", "bob@example.org/a", True),
            ("bob@example.org/a", "bob@example.org/b", False),
            ("bob@example.org/a", "bob@example.org", False),
            ("bob@example.org", "bob@example.org/a", True),
            ("bob@example.org", "bob@example.org", True),
            ("bob@example.org", "bobby@example.org", False),
            ("example.org/a", "example.org/a", True),
            ("example.org/a", "bob@example.org/a", False),
            ("example.org", "example.org", True),
            ("example.org", "bob@example.org/a", True),
            ("example.org", "room@conference.example.org/nick", True),
            ("conference.example.org", "bob@example.org", False),
            ("example.org", "bob@badexample.org", False),
            ("example.org", "bob@example.org.evil", False),
        ],
    )
    def test_forms(self, world: World, address: str, jid: str, matches: bool):
        """Full and bare addresses, a domain with its accounts, resources and subdomains."""
        alice = world.online("alice")
        block(alice, address)
        expected = Block.USER if matches else Block.NOBODY
        assert world.machine.answer(BlockBetween(alice.full_jid, jid)) is expected

    def test_nobody_blocks_themselves(self, world: World):
        """With the whole domain on the list, one's own devices are still reached."""
        phone, desk = world.online("alice", "phone"), world.online("alice", "desk")
        block(phone, DOMAIN)
        assert world.machine.answer(BlockBetween(phone.full_jid, desk.full_jid)) is Block.NOBODY
        assert len(arrivals(phone.send("alice/desk"), desk)) == 1


class TestSection32And33List:
    """3.2 to 3.5. The list and word of its changes."""

    def test_a_change_is_pushed_to_who_asked(self, world: World):
        """Each session that asked for the list hears of what is new on it, the one that changed it included."""
        phone, desk = world.online("alice", "phone"), world.online("alice", "desk")
        world.online("alice", "uninterested")
        for client in (phone, desk):
            client.do(DeclareBlocklistInterest())
        block(phone, BOB)
        result = block(desk, "spam.example", BOB)
        assert [event for event in result.events if isinstance(event, BlocklistChanged)] == [
            BlocklistChanged(1, client.session_id, "block", ("spam.example",)) for client in (phone, desk)
        ]
        assert listed(world, "alice") == (BOB, "spam.example")
        result = unblock(phone, BOB, "nobody@example.org")
        assert [event.addresses for event in result.events if isinstance(event, BlocklistChanged)] == [(BOB,)] * 2
        result = unblock(phone)
        assert [(event.kind, event.addresses) for event in result.events if isinstance(event, BlocklistChanged)] == [
            ("unblock", ())
        ] * 2
        assert listed(world, "alice") == ()

    def test_addresses_are_taken_in_their_own_order(self, world: World):
        """R7: the order of a set differs from process to process; that of rows and pushes must not."""
        alice = world.online("alice")
        alice.do(DeclareBlocklistInterest())
        addresses = [f"{number}.example" for number in range(12)]
        for change, kind in ((block, "block"), (unblock, "unblock")):
            result = change(alice, *reversed(addresses))
            assert result.events == [BlocklistChanged(1, alice.session_id, kind, tuple(sorted(addresses)))]

    def test_what_changes_nothing_is_not_pushed(self, world: World):
        """Blocking twice, and unblocking what is not blocked."""
        alice = world.online("alice")
        alice.do(DeclareBlocklistInterest())
        block(alice, BOB)
        assert block(alice, BOB).events == []
        assert unblock(alice, "carol@example.org").events == []
        assert len(unblock(alice).events) == 1
        assert unblock(alice).events == []

    def test_both_sides_of_the_limit(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """A full list takes what it has already, and nothing new; a refused change leaves it alone."""
        monkeypatch.setattr(blocking, "BLOCKED_ADDRESS_COUNT_MAX", 2)
        alice = world.online("alice")
        block(alice, "a.example", "b.example")
        block(alice, "b.example")
        outcome = alice.do(ChangeBlocklist(True, ("b.example", "c.example"))).outcome
        assert isinstance(outcome, Rejected)
        assert outcome.condition == "resource-constraint"
        assert listed(world, "alice") == ("a.example", "b.example")

    @pytest.mark.parametrize("address", ["", "x" * 3072])
    def test_no_address(self, world: World, address: str):
        """An empty or endless address is refused."""
        outcome = world.online("alice").do(ChangeBlocklist(True, (address,))).outcome
        assert isinstance(outcome, Rejected)
        assert outcome.condition == "bad-request"

    def test_the_list_goes_with_the_account(self, world: World):
        """A later account of the name has blocked nobody."""
        block(world.online("alice"), BOB)
        world.do(DeleteAccount("alice"))
        assert world.count("blocked") == 0
        world.account("alice")
        assert listed(world, "alice") == ()

    def test_nobody_has_no_list(self, world: World):
        """An account that does not exist."""
        assert listed(world, "nobody") == ()


class TestMessages:
    """3.3. Messages."""

    @pytest.mark.parametrize("storage", [STORED, int(Storage.OFFLINE), 0])
    @pytest.mark.parametrize("bob_is_there", [True, False])
    def test_an_inbound_message_comes_back_and_leaves_nothing(self, world: World, storage: int, bob_is_there: bool):
        """service-unavailable, as from an account that is not there; neither delivered, archived nor kept."""
        alice, bob = world.online("alice"), world.online("bob", managed=True)
        block(bob, ALICE)
        if not bob_is_there:
            bob.end()
        result = alice.send("bob", storage=storage)
        [bounced] = [event for event in result.events if isinstance(event, MessageBounced)]
        assert (bounced.session_id, bounced.condition) == (alice.session_id, "service-unavailable")
        assert arrivals(result) == []
        assert world.machine.answer(ArchivePage("bob")).rows == []  # type: ignore[union-attr]
        assert world.count("offline") == world.count("inbox") == 0
        assert len(world.machine.answer(ArchivePage("alice")).rows) == bool(storage & Storage.ARCHIVE)  # type: ignore[union-attr]

    @pytest.mark.parametrize("kind", [MessageKind.ERROR, MessageKind.HEADLINE])
    def test_errors_and_headlines_vanish(self, world: World, kind: MessageKind):
        """What is never answered is not answered here."""
        alice, bob = world.online("alice"), world.online("bob")
        block(bob, ALICE)
        assert alice.send("bob/r", kind=kind, storage=0).events == []

    def test_an_outbound_message_is_refused(self, world: World):
        """not-acceptable with the application's condition; nothing is archived, and it may be sent again later."""
        alice, bob = world.online("alice"), world.online("bob")
        block(alice, BOB)
        result = alice.send("bob", storage=STORED, origin_id="o1", fingerprint=b"f" * 8)
        assert (result.outcome, result.events) == (REFUSED, [])
        assert world.machine.answer(ArchivePage("alice")).rows == []  # type: ignore[union-attr]
        unblock(alice, BOB)
        assert len(arrivals(alice.send("bob", storage=STORED, origin_id="o1", fingerprint=b"f" * 8), bob)) == 1

    def test_one_resource_is_blocked(self, world: World):
        """By full address: what that resource sends, and what is sent to it; the contact's others go on."""
        phone, desk = world.online("alice", "phone"), world.online("alice", "desk")
        bob = world.online("bob")
        block(bob, phone.full_jid)
        assert [type(event) for event in phone.send("bob").events] == [MessageBounced]
        assert len(arrivals(desk.send("bob"), bob)) == 1
        assert bob.send("alice/phone").outcome == REFUSED
        assert len(arrivals(bob.send("alice/desk"), desk)) == 1
        assert bob.send("alice").outcome == Done()

    def test_order_is_that_of_the_log(self, world: World):
        """In one entry: the message before the block arrives, the one after it does not."""
        alice, bob = world.online("alice"), world.online("bob")
        first, last = (world.command(alice.message("bob", text), alice.origin()) for text in ("1", "2"))
        change = world.command(ChangeBlocklist(True, (ALICE,)), bob.origin())
        results = world.apply(first, change, last)
        assert len(arrivals(results[0], bob)) == 1
        assert arrivals(results[2], bob) == []


class TestPresence:
    """3.3 and 3.4. Presence."""

    def test_the_contact_sees_the_user_go_and_come(self, world: World):
        """Unavailable of every available resource at the block, current presence of them at the unblock."""
        phone, desk, bob = world.online("alice", "phone"), world.online("alice", "desk"), world.online("bob")
        world.online("alice", "bound only", priority=None)
        world.befriend(phone, bob)
        assert presences(block(phone, BOB), bob) == [f"-{phone.full_jid}", f"-{desk.full_jid}"]
        result = unblock(phone, BOB)
        assert len(presences(result, bob)) == 2
        assert all("unavailable" not in text for text in presences(result, bob))
        assert len(presences(result, phone)) == len(presences(result, desk)) == 1

    def test_who_may_not_see_it_is_told_nothing(self, world: World):
        """Without a subscription from the user, and of others than the contact."""
        alice, bob, carol = world.online("alice"), world.online("bob"), world.online("carol")
        world.befriend(alice, carol)
        result = block(alice, BOB)
        assert presences(result, bob) == presences(result, carol) == []
        assert presences(unblock(alice, BOB), bob) == []

    def test_nothing_passes_in_either_direction(self, world: World):
        """Updates, farewells, losses and probes while the block holds."""
        alice, bob = world.online("alice"), world.online("bob")
        world.befriend(alice, bob)
        block(alice, BOB)
        assert presences(alice.present(0, "<show>away</show>"), bob) == []
        assert presences(bob.present(0, "<show>away</show>"), alice) == []
        bob_desk = world.bind("bob", "desk")
        assert presences(bob_desk.present(), bob_desk) == [
            f"<presence from='{bob_desk.full_jid}'></presence>",
            f"<presence from='{bob.full_jid}'><show>away</show></presence>",
        ]
        alice_desk = world.bind("alice", "desk")
        assert all(BOB not in text for text in presences(alice_desk.present(), alice_desk))
        assert presences(alice_desk.end(), bob) == []
        assert presences(bob_desk.end(), alice) == []
        assert presences(alice.present(None), bob) == []

    def test_a_whole_domain(self, world: World):
        """All contacts of the domain are concerned, each once, also by overlapping addresses."""
        alice, bob, carol = world.online("alice"), world.online("bob"), world.online("carol")
        world.befriend(alice, bob)
        world.befriend(alice, carol)
        result = block(alice, BOB, DOMAIN)
        assert presences(result, bob) == presences(result, carol) == [f"-{alice.full_jid}"]
        assert presences(unblock(alice, DOMAIN), bob) == []
        assert len(presences(unblock(alice, BOB), bob)) == 1

    def test_two_reasons_to_block(self, world: World):
        """Whose domain stays blocked sees nothing when its own address is unblocked."""
        alice, bob = world.online("alice"), world.online("bob")
        world.befriend(alice, bob)
        block(alice, BOB, DOMAIN)
        result = unblock(alice, BOB)
        assert presences(result, bob) == presences(result, alice) == []
        result = unblock(alice, DOMAIN)
        assert len(presences(result, bob)) == len(presences(result, alice)) == 1

    def test_one_resource_of_a_contact(self, world: World):
        """The listed resource alone sees the user go, and nothing of it from there on."""
        alice, phone, desk = world.online("alice"), world.online("bob", "phone"), world.online("bob", "desk")
        world.befriend(alice, phone)
        result = block(alice, phone.full_jid)
        assert presences(result, phone) == [f"-{alice.full_jid}"]
        assert presences(result, desk) == []
        result = alice.present(0, "<show>away</show>")
        assert presences(result, phone) == []
        assert len(presences(result, desk)) == 1
        assert presences(phone.present(0, "<show>dnd</show>"), alice) == []
        assert len(presences(desk.present(0, "<show>dnd</show>"), alice)) == 1
        alice_desk = world.bind("alice", "desk")
        seen = presences(alice_desk.present(), alice_desk)
        assert sum(BOB in text for text in seen) == 1


class TestSubscriptions:
    """3.3. Stanzas that manage subscriptions."""

    def test_an_outbound_one_is_refused(self, world: World):
        """The roster does not change."""
        alice = world.online("alice")
        block(alice, BOB)
        for kind in SubscriptionKind:
            assert alice.subscription(kind, BOB).outcome == REFUSED
        assert world.machine.answer(RosterOf("alice")).items == []  # type: ignore[union-attr]

    def test_an_inbound_request_vanishes(self, world: World):
        """No stanza, no pending request, no answer; after the unblock it can be asked again."""
        alice, bob = world.online("alice"), world.online("bob")
        block(bob, ALICE)
        result = alice.subscription(SubscriptionKind.SUBSCRIBE, BOB)
        assert [type(event) for event in result.events] == [RosterPushed]
        assert world.count("request") == 0
        unblock(bob, ALICE)
        result = alice.subscription(SubscriptionKind.SUBSCRIBE, BOB)
        assert len(presences(result, bob)) == 1

    def test_a_request_that_waits_is_not_shown(self, world: World):
        """It was made before the block; who comes online during it is told of others alone."""
        for asks in ("alice", "carol"):
            world.online(asks).subscription(SubscriptionKind.SUBSCRIBE, BOB)
        bob = world.bind("bob")
        block(bob, ALICE)
        (request,) = [text for text in presences(bob.present(), bob) if "subscribe" in text]
        assert f"carol@{DOMAIN}" in request
        unblock(bob)
        desk = world.bind("bob", "desk")
        assert any("subscribe" in text for text in presences(desk.present(), desk))

    def test_the_end_of_a_subscription_is_noted_unseen(self, world: World):
        """Both rosters agree, though nothing is shown."""
        alice, bob = world.online("alice"), world.online("bob")
        world.befriend(alice, bob)
        block(bob, ALICE)
        result = alice.subscription(SubscriptionKind.UNSUBSCRIBED, BOB)
        assert presences(result, bob) == []
        assert not [event for event in result.events if isinstance(event, SubscriptionChanged)]
        [item] = world.machine.answer(RosterOf("bob")).items  # type: ignore[union-attr]
        assert item.subscription == "from"

    def test_who_is_blocked_sees_no_subscription(self, world: World):
        """What is asked on behalf of a contact is answered as to a stranger."""
        alice, bob = world.online("alice"), world.online("bob")
        world.befriend(alice, bob)
        assert world.machine.answer(SubscriptionOf("bob", ALICE)) is True
        block(bob, ALICE)
        assert world.machine.answer(SubscriptionOf("bob", ALICE)) is False


class TestOffTheLog:
    """What routers ask."""

    def test_who_may_be_reached(self, world: World):
        """All sessions; none when the contact has blocked, or does not exist; None when the user has."""
        alice, bob = world.online("alice"), world.online("bob")
        world.online("bob", "bound only", priority=None)
        rows = world.machine.answer(Reachable("bob", "r", alice.full_jid))
        assert [row.resource for row in rows] == ["r", "bound only"]  # type: ignore[union-attr]
        block(bob, alice.full_jid)
        assert world.machine.answer(Reachable("bob", "r", alice.full_jid)) == []
        assert world.machine.answer(Reachable("bob", "r", f"{ALICE}/other")) != []
        assert world.machine.answer(Reachable("nobody", None, alice.full_jid)) == []
        block(alice, bob.full_jid)
        assert world.machine.answer(Reachable("bob", "r", alice.full_jid)) is None
        assert world.machine.answer(Reachable("bob", None, alice.full_jid)) == []


def test_a_refused_command_leaves_the_list_as_it_was(world: World, monkeypatch: pytest.MonkeyPatch):
    """A fault after the rows were written is undone, also in what is kept in memory."""
    alice = world.online("alice")
    block(alice, "spam.example")
    monkeypatch.setattr(blocking, "_push", lambda *_: 1 / 0)
    outcome = alice.do(ChangeBlocklist(True, (BOB,))).outcome
    assert isinstance(outcome, Rejected)
    assert outcome.condition == "internal-server-error"
    assert len(world.machine.take_faults()) == 1
    assert listed(world, "alice") == ("spam.example",)
    assert alice.send("bob").outcome == Done()


def test_contacts_without_a_subscription_are_left_alone(world: World):
    """A roster item alone makes nobody see anything."""
    alice, bob = world.online("alice"), world.online("bob")
    alice.do(SetRosterItem(BOB, "Bob", ()))
    assert presences(block(alice, DOMAIN), bob) == []
    assert presences(unblock(alice), bob) == []
