"""Invitations of people: kept once, used once, by who is meant, in time; and both sides become contacts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from machine.rooms import raise_version
from machine.world import DOMAIN, Client, World, credential
from raftline.base.limits import (
    ACCOUNT_INVITE_COUNT_MAX,
    INVITE_DIGEST_SIZE,
    INVITE_GRACE_MS,
    INVITE_LIFETIME_MAX_MS,
    INVITE_LIFETIME_MIN_MS,
    LOCALPART_SIZE_MAX,
    OPERATOR_INVITE_COUNT_MAX,
    ROSTER_ITEM_COUNT_MAX,
)
from raftline.machine.commands import (
    ChangeBlocklist,
    ChangeSubscription,
    CreateAccount,
    DeclareInterest,
    DeleteAccount,
    KeyOrigin,
    RegisterByInvite,
    RemoveRosterItem,
    SetRosterItem,
    SubscriptionKind,
)
from raftline.machine.invites import issuing
from raftline.machine.invites.commands import IssueInvite, Purpose, RevokeInvite
from raftline.machine.invites.queries import InviteOf, ListInvites
from raftline.machine.invites.views import InviteView
from raftline.machine.outcomes import (
    CommandResult,
    Done,
    InviteIssued,
    Outcome,
    PresenceArrived,
    Rejected,
    RosterPushed,
    SubscriptionChanged,
)
from raftline.machine.queries import ListAccounts, Roster, RosterOf

DIGEST = b"d" * INVITE_DIGEST_SIZE
OTHER = b"o" * INVITE_DIGEST_SIZE
BOTH = int(Purpose.REGISTER | Purpose.SUBSCRIBE)


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    """A machine of the present version, with romeo, who may invite."""
    world = new_world()
    raise_version(world)
    world.account("romeo")
    return world


def issue(
    world: World,
    inviter: str = "romeo",
    *,
    username: str = "",
    purposes: int = BOTH,
    lifetime_ms: int = INVITE_LIFETIME_MIN_MS,
    digest: bytes = DIGEST,
) -> Outcome:
    return world.do(IssueInvite(digest, inviter, username, int(purposes), lifetime_ms)).outcome


def register(world: World, localpart: str = "juliet", digest: bytes = DIGEST) -> CommandResult:
    return world.do(RegisterByInvite(localpart, (credential(localpart),), digest))


def condition(outcome: Outcome) -> str:
    return outcome.condition if isinstance(outcome, Rejected) else type(outcome).__name__


def roster(world: World, localpart: str) -> dict[str, str]:
    found = world.machine.answer(RosterOf(localpart))
    assert isinstance(found, Roster)
    return {item.contact.partition("@")[0]: item.subscription + (" ask" if item.ask else "") for item in found.items}


def ask_by_token(client: Client, contact: str, digest: bytes = DIGEST) -> CommandResult:
    """Ask for a subscription and show a token."""
    stanza = f"<presence type='subscribe' from='{client.jid}' to='{contact}@{DOMAIN}'/>".encode()
    return client.do(ChangeSubscription(SubscriptionKind.SUBSCRIBE, f"{contact}@{DOMAIN}", stanza, digest))


def shown(world: World, digest: bytes = DIGEST) -> InviteView | None:
    found = world.machine.answer(InviteOf(digest))
    assert found is None or isinstance(found, InviteView)
    return found


class TestIssuing:
    """What an invitation is, and how many there may be."""

    def test_it_is_kept_under_its_digest(self, world: World):
        """Whoever has the token finds it; it expires by cluster time."""
        assert issue(world, username="juliet") == Done(InviteIssued(world.time_ms + INVITE_LIFETIME_MIN_MS))
        view = shown(world)
        assert view is not None
        assert (view.inviter, view.username, view.purposes, view.is_expired) == ("romeo", "juliet", BOTH, False)
        assert shown(world, OTHER) is None
        world.time_ms += INVITE_LIFETIME_MIN_MS
        world.account("one")
        assert not shown(world).is_expired  # type: ignore[union-attr]  # there is one
        world.time_ms += 1
        world.account("two")
        assert shown(world).is_expired  # type: ignore[union-attr]  # there is one
        assert world.machine.answer(ListInvites()) == []

    def test_a_repeat_under_the_same_key_has_the_first_outcome(self, world: World):
        """After an unknown outcome the inviter is told when it expires, not that there is one already."""
        key = KeyOrigin(b"k" * 16)
        action = IssueInvite(DIGEST, "romeo", "", BOTH, INVITE_LIFETIME_MIN_MS)
        first = world.do(action, key).outcome
        world.time_ms += 1000
        assert world.do(action, key).outcome == first
        assert condition(world.do(action).outcome) == "conflict"

    @pytest.mark.parametrize(
        ("lifetime_ms", "expected"),
        [
            (INVITE_LIFETIME_MIN_MS - 1, "not-acceptable"),
            (INVITE_LIFETIME_MIN_MS, "Done"),
            (INVITE_LIFETIME_MAX_MS, "Done"),
            (INVITE_LIFETIME_MAX_MS + 1, "not-acceptable"),
        ],
    )
    def test_lifetime(self, world: World, lifetime_ms: int, expected: str):
        """Both sides of both bounds."""
        assert condition(issue(world, lifetime_ms=lifetime_ms)) == expected

    def test_what_makes_no_sense(self, world: World):
        """A digest of another size, no purpose, an unknown one, a name without registration, an operator's contact."""
        assert condition(issue(world, digest=b"d" * (INVITE_DIGEST_SIZE - 1))) == "bad-request"
        assert condition(issue(world, purposes=0)) == "bad-request"
        assert condition(issue(world, purposes=4)) == "bad-request"
        assert condition(issue(world, purposes=Purpose.SUBSCRIBE, username="juliet")) == "bad-request"
        assert condition(issue(world, "", purposes=BOTH)) == "bad-request"
        assert condition(issue(world, "nobody")) == "item-not-found"
        assert condition(issue(world, username="j" * (LOCALPART_SIZE_MAX + 1))) == "not-acceptable"
        assert condition(issue(world, username="j" * LOCALPART_SIZE_MAX)) == "Done"

    @pytest.mark.parametrize(
        ("inviter", "limit"), [("romeo", ACCOUNT_INVITE_COUNT_MAX), ("", OPERATOR_INVITE_COUNT_MAX)]
    )
    def test_how_many(self, world: World, inviter: str, limit: int, monkeypatch: pytest.MonkeyPatch):
        """So many are open and not one more; one that was used, or taken back, makes room."""
        if not inviter:
            limit = 3  # ten thousand take long, and the bound is compared in one place
            monkeypatch.setattr(issuing, "OPERATOR_INVITE_COUNT_MAX", limit)
        digests = [number.to_bytes(INVITE_DIGEST_SIZE, "big") for number in range(limit)]
        for digest in digests:
            assert condition(issue(world, inviter, purposes=Purpose.REGISTER, digest=digest)) == "Done"
        assert condition(issue(world, inviter, purposes=Purpose.REGISTER)) == "resource-constraint"
        assert register(world, "anna", digests[0]).outcome == Done()
        assert condition(issue(world, inviter, purposes=Purpose.REGISTER)) == "Done"
        assert condition(issue(world, inviter, purposes=Purpose.REGISTER, digest=OTHER)) == "resource-constraint"
        assert world.do(RevokeInvite(digests[1])).outcome == Done()
        assert condition(issue(world, inviter, purposes=Purpose.REGISTER, digest=OTHER)) == "Done"

    def test_one_that_is_taken_back(self, world: World):
        """It opens nothing, and there is nothing to take back twice; nor one that was used."""
        issue(world)
        assert world.do(RevokeInvite(DIGEST)).outcome == Done()
        assert condition(register(world).outcome) == "item-not-found"
        assert condition(world.do(RevokeInvite(DIGEST)).outcome) == "item-not-found"
        issue(world)
        register(world)
        assert condition(world.do(RevokeInvite(DIGEST)).outcome) == "item-not-found"

    def test_version(self, world_of_1: World):
        """Before the version that brought them they are as unreadable as to older releases."""
        assert condition(issue(world_of_1)) == "bad-request"
        assert condition(register(world_of_1).outcome) == "bad-request"


@pytest.fixture
def world_of_1(new_world: Callable[..., World]) -> World:
    """A machine of the first version."""
    world = new_world()
    world.account("romeo")
    return world


class TestNames:
    """XEP-0401 section 6.2: a name is kept for whom it is for."""

    def test_nobody_else_gets_it(self, world: World):
        """Neither an operator nor another invitation, nor somebody who was invited without a name."""
        issue(world, username="juliet")
        assert condition(issue(world, username="juliet", digest=OTHER)) == "conflict"
        assert condition(world.do(CreateAccount("juliet", ())).outcome) == "conflict"
        issue(world, digest=OTHER)
        assert condition(register(world, "juliet", OTHER).outcome) == "conflict"
        assert shown(world, OTHER) is not None
        assert register(world, "juliet").outcome == Done()
        assert condition(issue(world, username="juliet", digest=b"x" * 32)) == "conflict"

    def test_no_account_is_made_before(self, world: World):
        """The name is only kept."""
        issue(world, username="juliet")
        assert world.count("account") == 1

    def test_under_no_other_name(self, world: World):
        """Who is invited by name registers that name; the invitation stays open."""
        issue(world, username="juliet")
        assert condition(register(world, "rosaline").outcome) == "not-acceptable"
        assert register(world, "juliet").outcome == Done()

    def test_it_is_free_again(self, world: World):
        """Once the invitation is too old, or taken back."""
        issue(world, username="juliet")
        world.time_ms += INVITE_LIFETIME_MIN_MS + INVITE_GRACE_MS
        assert condition(world.do(CreateAccount("juliet", ())).outcome) == "conflict"
        world.time_ms += 1
        assert world.do(CreateAccount("juliet", ())).outcome == Done()
        issue(world, username="rosaline", digest=OTHER)
        world.do(RevokeInvite(OTHER))
        assert world.do(CreateAccount("rosaline", ())).outcome == Done()


class TestRegistration:
    """XEP-0445 section 4."""

    def test_once_in_the_whole_cluster(self, world: World):
        """Two nodes propose it at once: whichever comes first in the log wins; a retry of it has its outcome."""
        issue(world)
        key = KeyOrigin(b"k" * 16)
        commands = [
            world.command(RegisterByInvite("juliet", (), DIGEST), key, node_id=2),
            world.command(RegisterByInvite("rosaline", (), DIGEST), KeyOrigin(b"l" * 16), node_id=3),
            world.command(RegisterByInvite("juliet", (), DIGEST), key, node_id=2),
        ]
        assert [condition(result.outcome) for result in world.apply(*commands)] == ["Done", "item-not-found", "Done"]
        assert world.count("account") == 2

    def test_what_is_refused_uses_nothing_up(self, world: World):
        """A name that is taken, one that is empty; then it is used after all."""
        issue(world)
        assert condition(register(world, "romeo").outcome) == "conflict"
        assert condition(register(world, "").outcome) == "not-acceptable"
        assert register(world).outcome == Done()

    def test_who_showed_the_token_in_time(self, world: World):
        """It was looked at before; some minutes later it is too late all the same."""
        issue(world)
        issue(world, digest=OTHER)
        world.time_ms += INVITE_LIFETIME_MIN_MS + INVITE_GRACE_MS
        assert register(world).outcome == Done()
        world.time_ms += 1
        assert condition(register(world, "rosaline", OTHER).outcome) == "item-not-found"

    def test_one_for_a_contact_alone(self, world: World):
        """It opens no account."""
        issue(world, purposes=Purpose.SUBSCRIBE)
        assert condition(register(world).outcome) == "item-not-found"

    def test_who_invited(self, world: World):
        """It is told of an account as long as both are there, and of who takes the name later nothing."""
        issue(world)
        register(world)
        issue(world, "", purposes=Purpose.REGISTER, digest=OTHER)
        register(world, "rosaline", OTHER)
        assert inviters(world) == {"juliet": "romeo", "romeo": "", "rosaline": ""}
        world.do(DeleteAccount("romeo"))
        world.account("romeo")
        assert inviters(world) == {"juliet": "", "romeo": "", "rosaline": ""}
        world.do(DeleteAccount("juliet"))
        assert world.count("invite") == 0


def inviters(world: World) -> dict[str, str]:
    rows = world.machine.answer(ListAccounts())
    assert isinstance(rows, list)
    return {row.localpart: row.inviter for row in rows}  # type: ignore[union-attr]  # rows of accounts


class TestContacts:
    """XEP-0401 section 5.5: inviter and newcomer see each other."""

    def test_both_rosters(self, world: World):
        """The inviter's devices get a roster push; when the newcomer comes, each sees the other."""
        romeo = world.online("romeo")
        issue(world)
        [push] = [event for event in register(world).events if isinstance(event, RosterPushed)]
        assert (push.session_id, push.item.contact, push.item.subscription) == (
            romeo.session_id,
            f"juliet@{DOMAIN}",
            "both",
        )
        assert (roster(world, "romeo"), roster(world, "juliet")) == ({"juliet": "both"}, {"romeo": "both"})
        juliet = world.bind("juliet")
        events = juliet.present().events
        stanzas = {(event.session_id, event.stanza) for event in events if isinstance(event, PresenceArrived)}
        assert (romeo.session_id, f"<presence from='{juliet.full_jid}'></presence>".encode()) in stanzas
        assert (juliet.session_id, f"<presence from='{romeo.full_jid}'></presence>".encode()) in stanzas

    def test_not_without_the_purpose(self, world: World):
        """An invitation to register alone makes nobody a contact."""
        issue(world, purposes=Purpose.REGISTER)
        register(world)
        assert (roster(world, "romeo"), roster(world, "juliet")) == ({}, {})

    def test_who_welcomes_nobody(self, world: World):
        """A roster that is full or a name that is blocked leaves both sides without the other."""
        romeo = world.online("romeo")
        issue(world)
        romeo.do(ChangeBlocklist(True, (f"juliet@{DOMAIN}",)))
        assert register(world).outcome == Done()
        assert (roster(world, "romeo"), roster(world, "juliet")) == ({}, {})
        issue(world, digest=OTHER)
        for number in range(ROSTER_ITEM_COUNT_MAX):
            romeo.do(SetRosterItem(f"{number}@elsewhere.example", "", ()))
        assert register(world, "rosaline", OTHER).outcome == Done()
        assert roster(world, "rosaline") == {}
        romeo.do(RemoveRosterItem("0@elsewhere.example"))
        issue(world, digest=b"x" * 32)
        register(world, "nurse", b"x" * 32)
        assert roster(world, "nurse") == {"romeo": "both"}

    def test_an_inviter_who_is_gone(self, world: World):
        """With the account go its invitations; a later one of the name has none of them."""
        issue(world)
        world.do(DeleteAccount("romeo"))
        world.account("romeo")
        assert condition(register(world).outcome) == "item-not-found"
        assert world.count("invite") == 0

    def test_a_contact_known_before(self, world: World):
        """What the inviter called a contact of this name stays."""
        romeo = world.online("romeo")
        romeo.do(SetRosterItem(f"juliet@{DOMAIN}", "Juliet", ("Friends",)))
        issue(world)
        register(world)
        found = world.machine.answer(RosterOf("romeo"))
        assert isinstance(found, Roster)
        [item] = found.items
        assert (item.name, item.groups, item.subscription) == ("Juliet", ("Friends",), "both")


class TestRequests:
    """XEP-0379: somebody who has an account shows the token with a request."""

    @pytest.fixture
    def juliet(self, world: World) -> Client:
        world.account("juliet")
        return world.online("juliet")

    def test_the_request_is_granted(self, world: World, juliet: Client):
        """Nobody is asked; the inviter asks in turn, and with the answer both see each other."""
        romeo = world.online("romeo")
        issue(world)
        result = ask_by_token(juliet, "romeo")
        changes = [event for event in result.events if isinstance(event, SubscriptionChanged)]
        assert [(event.session_id, event.kind) for event in changes] == [(juliet.session_id, "subscribed")]
        requests = [event for event in result.events if isinstance(event, PresenceArrived)]
        asked = f"<presence from='romeo@{DOMAIN}' to='juliet@{DOMAIN}' type='subscribe'/>".encode()
        assert {(event.session_id, event.stanza) for event in requests} == {
            (juliet.session_id, asked),
            (juliet.session_id, f"<presence from='{romeo.full_jid}'></presence>".encode()),
        }
        assert (roster(world, "romeo"), roster(world, "juliet")) == ({"juliet": "from ask"}, {"romeo": "to"})
        juliet.subscription(SubscriptionKind.SUBSCRIBED, romeo.jid)
        assert (roster(world, "romeo"), roster(world, "juliet")) == ({"juliet": "both"}, {"romeo": "both"})

    def test_who_approves_before(self, world: World, juliet: Client):
        """With a pre-approval both see each other at once."""
        issue(world)
        juliet.subscription(SubscriptionKind.SUBSCRIBED, f"romeo@{DOMAIN}")
        ask_by_token(juliet, "romeo")
        assert (roster(world, "romeo"), roster(world, "juliet")) == ({"juliet": "both"}, {"romeo": "both"})

    def test_it_is_used_once(self, world: World, juliet: Client):
        """The next request is one like any other, and no account is opened any more."""
        issue(world)
        ask_by_token(juliet, "romeo")
        world.account("nurse")
        nurse = world.online("nurse")
        ask_by_token(nurse, "romeo")
        assert roster(world, "nurse") == {"romeo": "none ask"}
        assert condition(register(world, "rosaline").outcome) == "item-not-found"

    @pytest.mark.parametrize("how", ["expired", "unknown", "another's", "for registration", "malformed"])
    def test_a_token_that_is_no_good(self, world: World, juliet: Client, how: str):
        """It is ignored: the request waits for an answer as any other, and the inviter's devices see it."""
        romeo = world.online("romeo")
        world.account("benvolio")
        purposes = int(Purpose.REGISTER) if how == "for registration" else BOTH
        issue(world, "benvolio" if how == "another's" else "romeo", purposes=purposes)
        if how == "expired":
            world.time_ms += INVITE_LIFETIME_MIN_MS + 1
        digest = {"unknown": OTHER, "malformed": b"d"}.get(how, DIGEST)
        result = ask_by_token(juliet, "romeo", digest)
        assert roster(world, "juliet") == {"romeo": "none ask"}
        assert any(
            isinstance(event, PresenceArrived) and event.session_id == romeo.session_id for event in result.events
        )

    def test_who_is_blocked(self, world: World, juliet: Client):
        """A blocked contact is dropped in silence, token or not, and the token stays."""
        romeo = world.online("romeo")
        issue(world)
        romeo.do(ChangeBlocklist(True, (juliet.jid,)))
        ask_by_token(juliet, "romeo")
        assert roster(world, "juliet") == {"romeo": "none ask"}
        assert shown(world) is not None

    def test_who_is_a_contact_already(self, world: World, juliet: Client):
        """Nothing is used up."""
        romeo = world.online("romeo")
        world.befriend(juliet, romeo)
        issue(world)
        ask_by_token(juliet, "romeo")
        assert shown(world) is not None

    def test_version(self, world_of_1: World):
        """Before the version that brought it a token says nothing, as to older releases."""
        world_of_1.account("juliet")
        ask_by_token(world_of_1.online("juliet"), "romeo")
        assert roster(world_of_1, "juliet") == {"romeo": "none ask"}


class TestPruning:
    """What is over goes by cluster time, the same rows at the same entry, whatever a node remembers."""

    def test_expired_ones_go(self, world: World):
        """Those that are due, and no others; a shorter one that is issued later goes in time."""
        issue(world, lifetime_ms=INVITE_LIFETIME_MAX_MS)
        issue(world, digest=OTHER)
        world.time_ms += INVITE_LIFETIME_MIN_MS + INVITE_GRACE_MS
        world.apply_empty()
        world.account("one")
        assert world.count("invite") == 2
        world.time_ms += 1
        world.account("two")
        assert world.count("invite") == 1
        world.time_ms += INVITE_LIFETIME_MAX_MS
        world.account("three")
        assert world.count("invite") == 0

    def test_what_a_node_remembers_changes_nothing(self, world: World, new_world: Callable[..., World]):
        """A replica that looks at every entry, as one that was just started, has the same state."""
        other = new_world()
        for step in range(40):
            for machine in (world, other):
                if machine is other:
                    if step == 0:
                        raise_version(other)
                        other.account("romeo")
                    other.machine._pruner.forget()
                machine.time_ms += 100_000
                lifetime_ms = INVITE_LIFETIME_MIN_MS + 37_000 * (step * 7 % 11)
                issue(machine, digest=step.to_bytes(32, "big"), lifetime_ms=lifetime_ms)
        assert 0 < world.count("invite") < 40
        assert world.scrub() == other.scrub()

    def test_many_go_in_small_steps(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """An entry deletes so many rows and no more."""
        monkeypatch.setattr("raftline.machine.pruning.ROWS_PER_ENTRY", 2)
        monkeypatch.setattr("raftline.machine.pruning.ROWS_PER_COMMAND", 0)
        for number in range(5):
            issue(world, digest=number.to_bytes(32, "big"))
        world.time_ms += INVITE_LIFETIME_MIN_MS + INVITE_GRACE_MS + 1
        counts = []
        for _ in range(3):
            world.do(DeclareInterest())
            counts.append(world.count("invite"))
        assert counts == [3, 1, 0]
