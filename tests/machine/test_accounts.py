"""Accounts: made, given credentials, deleted."""

from __future__ import annotations

import pytest

from machine.world import DOMAIN, START_MS, World, arrivals, credential, outcomes
from raftline.base.limits import ACCOUNT_CREDENTIAL_COUNT_MAX
from raftline.machine.commands import CreateAccount, DeleteAccount, SetCredentials, SubscriptionKind
from raftline.machine.outcomes import (
    ContactUnavailable,
    Done,
    Rejected,
    RosterPushed,
    SessionEnded,
    SubscriptionChanged,
)
from raftline.machine.queries import (
    AccountCounts,
    AccountExists,
    AccountRow,
    ArchivePage,
    Counts,
    CredentialsOf,
    ListAccounts,
    OnlineAccounts,
    RosterOf,
)


def test_an_account_is_made_once(world: World):
    """The name is taken afterwards; credentials are those of the first."""
    made = (credential("one"), credential("two", "SCRAM-SHA-1"))
    assert world.do(CreateAccount("dora", made)).outcome == Done()
    refusal = world.do(CreateAccount("dora", (credential("three"),))).outcome
    assert isinstance(refusal, Rejected)
    assert (refusal.condition, refusal.kind) == ("conflict", "cancel")
    assert set(world.machine.answer(CredentialsOf("dora"))) == set(made)
    assert world.machine.answer(AccountExists("dora")) is True


@pytest.mark.parametrize("localpart", ["x", "x" * 1023])
def test_names_at_their_bounds(world: World, localpart: str):
    """One letter is a name, and so are as many as fit."""
    assert world.do(CreateAccount(localpart, ())).outcome == Done()


@pytest.mark.parametrize("localpart", ["", "x" * 1024])
def test_names_have_bounds(world: World, localpart: str):
    """Empty and too long names are refused."""
    outcome = world.do(CreateAccount(localpart, ())).outcome
    assert isinstance(outcome, Rejected)
    assert outcome.condition == "not-acceptable"


@pytest.mark.parametrize(
    "credentials",
    [
        (credential("a"), credential("b")),
        tuple(credential("a", f"M{n}") for n in range(ACCOUNT_CREDENTIAL_COUNT_MAX + 1)),
    ],
)
def test_credentials_are_one_for_each_mechanism(world: World, credentials):
    """Two for one mechanism, or too many, are refused by both commands and change nothing."""
    for action in (CreateAccount("dora", credentials), SetCredentials("alice", credentials)):
        outcome = world.do(action).outcome
        assert isinstance(outcome, Rejected)
        assert outcome.condition == "bad-request"
    assert world.machine.answer(AccountExists("dora")) is False
    assert world.machine.answer(CredentialsOf("alice")) == (credential("alice"),)


def test_credentials_are_replaced_as_a_whole(world: World):
    """A mechanism that is not in the new set is gone."""
    world.do(CreateAccount("dora", (credential("one"), credential("two", "SCRAM-SHA-1"))))
    assert world.do(SetCredentials("dora", (credential("new"),))).outcome == Done()
    assert world.machine.answer(CredentialsOf("dora")) == (credential("new"),)
    unknown = world.do(SetCredentials("nobody", ())).outcome
    assert isinstance(unknown, Rejected)
    assert unknown.condition == "item-not-found"


def test_accounts_are_listed_by_name(world: World):
    """Pages follow one another; each row tells how many sessions there are."""
    world.bind("bob", "one")
    world.bind("bob", "two")
    assert world.machine.answer(ListAccounts()) == [
        AccountRow("alice", START_MS, 0),
        AccountRow("bob", START_MS, 2),
        AccountRow("carol", START_MS, 0),
    ]
    assert [row.localpart for row in world.machine.answer(ListAccounts("alice", 1))] == ["bob"]


def test_a_deleted_account_leaves_every_roster(world: World):
    """Its sessions end, contacts see it go and unsubscribe; those who asked, or were asked, are told as well."""
    alice, bob, carol = world.online("alice"), world.online("bob"), world.online("carol")
    world.befriend(alice, bob)
    carol.subscription(SubscriptionKind.SUBSCRIBE, alice.jid)
    result = world.do(DeleteAccount("alice"))
    assert result.outcome == Done()
    assert SessionEnded(1, alice.session_id, "not-authorized") in result.events
    to_bob = [event for event in result.events if event.session_id == bob.session_id]
    assert [type(event) for event in to_bob] == [
        ContactUnavailable,
        SubscriptionChanged,
        RosterPushed,
        SubscriptionChanged,
        RosterPushed,
    ]
    assert [event.kind for event in to_bob if isinstance(event, SubscriptionChanged)] == ["unsubscribe", "unsubscribed"]
    assert any(
        isinstance(event, SubscriptionChanged) and event.session_id == carol.session_id for event in result.events
    )
    for localpart in ("bob", "carol"):
        assert [item.subscription for item in world.machine.answer(RosterOf(localpart)).items] == ["none"]
        assert not world.machine.answer(RosterOf(localpart)).items[0].ask
    assert world.machine.answer(CredentialsOf("alice")) == ()
    assert world.count("credential") == 2
    again = world.do(DeleteAccount("alice")).outcome
    assert isinstance(again, Rejected)
    assert again.condition == "item-not-found"


def test_a_name_that_is_used_again_finds_nothing_of_the_former(world: World):
    """Ids are not used twice: archive and offline messages of the former account stay out of sight until gone."""
    bob = world.online("bob")
    bob.send("alice", "old")
    world.do(DeleteAccount("alice"))
    world.account("alice")
    alice = world.bind("alice")
    assert alice.present().events[1:] == []
    assert world.machine.answer(ArchivePage("alice")).rows == []
    assert world.machine.answer(ArchivePage("bob", contact=f"alice@{DOMAIN}")).count == 1


def test_what_a_deleted_account_sent_goes_with_the_last_archive(world: World):
    """A message lives as long as one side has it."""
    alice, bob = world.online("alice"), world.online("bob")
    for _ in range(3):
        alice.send("bob")
    bob.send("nobody")
    world.do(DeleteAccount("alice"))
    world.do(DeleteAccount("nobody"))
    assert (world.count("message"), world.count("archive")) == (4, 4)
    world.do(DeleteAccount("bob"))
    world.do(DeleteAccount("nobody"))
    assert (world.count("message"), world.count("archive"), world.count("doomed")) == (0, 0, 0)


def test_a_session_may_delete_its_own_account(world: World):
    """XEP-0077 section 3.2: the command is its session's last; a repeat finds the session gone."""
    alice = world.online("alice")
    command = world.command(DeleteAccount("alice"), alice.origin())
    first, second = world.apply(command, command)
    assert (first.outcome, outcomes(second)) == (Done(), ["Stale"])
    assert first.events == [SessionEnded(1, alice.session_id, "not-authorized")]
    assert world.machine.take_faults() == []


def test_what_a_deleted_account_was_owed_goes_to_nobody(world: World):
    """Not to another of its sessions, which ends as well."""
    bob = world.online("bob")
    world.online("alice", "one", managed=True)
    bob.send("alice")
    world.online("alice", "two", managed=True)
    assert arrivals(world.do(DeleteAccount("alice"))) == []
    assert world.count("inbox") == 0


def test_accounts_are_counted(world: World):
    """All of them, and those with a session that is available, each once; the latter are listed by name."""
    assert world.machine.answer(AccountCounts()) == Counts(3, 0)
    for localpart, resource in (("carol", "r"), ("alice", "r"), ("alice", "s")):
        world.online(localpart, resource)
    away = world.online("bob")
    assert world.machine.answer(AccountCounts()) == Counts(3, 3)
    away.present(None)
    assert world.machine.answer(AccountCounts()) == Counts(3, 2)
    for limit, expected in ((0, []), (1, ["alice"]), (2, ["alice", "carol"]), (10**6, ["alice", "carol"]), (-1, [])):
        assert world.machine.answer(OnlineAccounts(limit)) == expected
