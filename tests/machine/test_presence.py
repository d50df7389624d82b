"""Broadcast presence (RFC 6121 section 4)."""

from __future__ import annotations

import pytest

from machine.world import Client, World
from raftline.machine.commands import SetPresence
from raftline.machine.outcomes import CommandResult, ContactUnavailable, PresenceArrived, Rejected, RosterPushed
from raftline.machine.queries import RosterOf, SessionAt


def shown(result: CommandResult, client: Client) -> list[bytes]:
    return [
        event.stanza
        for event in result.events
        if isinstance(event, PresenceArrived) and event.session_id == client.session_id
    ]


def gone(result: CommandResult, client: Client) -> list[str]:
    return [
        event.full_jid
        for event in result.events
        if isinstance(event, ContactUnavailable) and event.session_id == client.session_id
    ]


@pytest.fixture
def friends(world: World) -> tuple[Client, Client]:
    """Alice and bob, available and subscribed to each other."""
    alice, bob = world.online("alice", "phone"), world.online("bob")
    world.befriend(alice, bob)
    return alice, bob


class TestInitialPresence:
    """Sections 4.2 and 4.3."""

    def test_contacts_and_own_sessions_see_it(self, world: World, friends: tuple[Client, Client]):
        """4.2.2: contacts, the account's other sessions, and the session itself."""
        alice, bob = friends
        desk = world.bind("alice", "desk")
        result = desk.present()
        for client in (bob, alice):
            (stanza,) = shown(result, client)
            assert desk.full_jid.encode() in stanza
        assert desk.full_jid.encode() in shown(result, desk)[0]

    def test_it_is_told_who_is_there(self, world: World, friends: tuple[Client, Client]):
        """4.3: contacts' sessions that are available, and the account's others; not those that are only bound."""
        alice, bob = friends
        tablet = world.online("bob", "tablet", priority=-5)
        world.bind("bob", "silent")
        desk = world.bind("alice", "desk")
        stanzas = shown(desk.present(), desk)
        assert [next(c for c in (desk, alice, bob, tablet) if c.full_jid.encode() in s) for s in stanzas] == [
            desk,
            alice,
            bob,
            tablet,
        ]

    def test_strangers_see_nothing(self, world: World, friends: tuple[Client, Client]):
        """A subscription one way shows presence one way."""
        alice, _bob = friends
        carol = world.online("carol")
        assert shown(alice.present(3), carol) == []
        assert shown(carol.present(3), alice) == []

    @pytest.mark.parametrize("known", [False, True])
    def test_a_probe_mends_a_roster_that_believes_too_much(self, world: World, known: bool):
        """4.3.2: a contact that knows of no such subscription answers `unsubscribed`, item or no item."""
        alice, bob = world.online("alice"), world.online("bob")
        world.befriend(alice, bob)
        context = world.machine._context
        account = context.accounts.get("bob")
        assert account is not None
        entry = context.roster.delete((account.account_id, alice.jid))
        assert entry is not None
        if known:
            context.roster.put((account.account_id, alice.jid), entry._replace(subscription=1))
        context.rows.journal.clear()
        desk = world.online("alice", "desk", priority=None)
        pushes = [event for event in desk.present().events if isinstance(event, RosterPushed)]
        assert {push.item.subscription for push in pushes} == {"from"}
        assert [item.subscription for item in world.machine.answer(RosterOf("alice")).items] == ["from"]


class TestLaterPresence:
    """Section 4.4."""

    def test_a_change_is_shown_without_probes(self, friends: tuple[Client, Client]):
        """4.4.2: contacts and own sessions see it; nobody's presence is told again."""
        alice, bob = friends
        result = alice.present(5, "<show>away</show>")
        assert len(shown(result, bob)) == len(shown(result, alice)) == 1
        assert b"away" in shown(result, bob)[0]

    @pytest.mark.parametrize("priority", [-129, 128])
    def test_a_priority_is_a_byte(self, world: World, priority: int):
        """4.7.2.3: others are refused and change nothing."""
        alice = world.bind("alice")
        outcome = alice.do(SetPresence(b"<presence/>", priority)).outcome
        assert isinstance(outcome, Rejected)
        assert outcome.condition == "bad-request"
        row = world.machine.answer(SessionAt("alice", "r"))
        assert row is not None
        assert row.priority is None


class TestUnavailable:
    """Section 4.5."""

    def test_a_farewell_is_shown(self, world: World, friends: tuple[Client, Client]):
        """4.5.2: contacts and own other sessions get the stanza; messages find the session no more."""
        alice, bob = friends
        desk = world.online("alice", "desk")
        assert {event.session_id for event in bob.send("alice").events} == {alice.session_id, desk.session_id}
        result = alice.present(None, "<status>bye</status>")
        for client in (bob, desk):
            assert [b"bye" in stanza for stanza in shown(result, client)] == [True]
        assert shown(result, alice) == []
        assert [event.session_id for event in bob.send("alice").events] == [desk.session_id]
        assert alice.present(None).events == []

    def test_ending_without_farewell_is_shown(self, world: World, friends: tuple[Client, Client]):
        """4.5.3: the server says it for the session, once."""
        alice, bob = friends
        desk = world.online("alice", "desk")
        result = alice.end()
        assert gone(result, bob) == gone(result, desk) == [alice.full_jid]

    def test_ending_after_a_farewell_says_nothing_more(self, friends: tuple[Client, Client]):
        """Contacts know already."""
        alice, bob = friends
        alice.present(None)
        result = alice.end()
        assert gone(result, bob) == []
