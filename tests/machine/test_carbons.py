"""Copies of messages for the other sessions of an account (XEP-0280)."""

from __future__ import annotations

from typing import Any

import pytest

from machine.world import DOMAIN, Client, World, arrivals
from raftline.base.ids import CURSOR_START
from raftline.machine import carbons
from raftline.machine.commands import ChangeBlocklist, SetCarbons
from raftline.machine.message_commands import MessageKind, Storage
from raftline.machine.outcomes import CarbonCopied, CommandResult, Done, MessageArrived
from raftline.machine.queries import InboxPage

ALL = int(Storage.ARCHIVE | Storage.OFFLINE | Storage.COPY)
UNARCHIVED = int(Storage.OFFLINE | Storage.COPY)
ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"


def online(world: World, localpart: str, resource: str, *, copies: bool = True, **options: Any) -> Client:
    client = world.online(localpart, resource, **options)
    if copies:
        assert client.do(SetCarbons(enabled=True)).outcome == Done()
    return client


def copies_of(result: CommandResult) -> dict[int, tuple[str, str]]:
    """Session, direction and owner of each copy."""
    return {
        event.session_id: (event.direction, event.owner) for event in result.events if isinstance(event, CarbonCopied)
    }


class TestSection8Sending:
    """8. Sending messages."""

    def test_the_other_enabled_sessions_get_a_copy(self, world: World):
        """Each enabled session but the sending one, whether that is enabled or not, available or not."""
        phone = world.online("alice", "phone")
        desk = online(world, "alice", "desk", priority=-1)
        away = online(world, "alice", "away", priority=None)
        world.online("alice", "plain")
        bob = world.online("bob")
        result = phone.send("bob", storage=ALL)
        assert copies_of(result) == {desk.session_id: ("sent", ALICE), away.session_id: ("sent", ALICE)}
        [copy] = [
            event for event in result.events if isinstance(event, CarbonCopied) and event.session_id == desk.session_id
        ]
        [arrived] = arrivals(result, bob)
        assert (copy.stanza, copy.position, copy.delivered) == (arrived.stanza, result.position, result.position)

    def test_the_sender_gets_none(self, world: World):
        """The sending session is excluded though it is enabled."""
        assert copies_of(online(world, "alice", "phone").send("bob", storage=ALL)) == {}

    def test_without_the_flag_there_are_none(self, world: World):
        """What was not found eligible before the log is not copied."""
        phone, _desk = world.online("alice", "phone"), online(world, "alice", "desk")
        online(world, "bob", "tv", priority=-1)
        assert copies_of(phone.send("bob", storage=ALL & ~Storage.COPY)) == {}

    def test_an_unarchived_copy_has_no_owner(self, world: World):
        """No archive id is promised for what is not archived."""
        phone, desk = world.online("alice", "phone"), online(world, "alice", "desk")
        world.online("bob")
        assert copies_of(phone.send("bob", storage=UNARCHIVED)) == {desk.session_id: ("sent", "")}


class TestSection7Receiving:
    """7. Receiving messages."""

    def test_who_is_not_given_the_message_gets_a_copy(self, world: World):
        """To a full address: the other enabled sessions, not the addressed one."""
        alice = world.online("alice")
        phone, desk = online(world, "bob", "phone"), online(world, "bob", "desk")
        result = alice.send("bob/phone", storage=ALL)
        assert [event.session_id for event in arrivals(result)] == [phone.session_id]
        assert copies_of(result) == {desk.session_id: ("received", BOB)}

    def test_of_negative_priority_too(self, world: World):
        """To the bare address: whoever the message is not routed to."""
        alice = world.online("alice")
        phone, tv = online(world, "bob", "phone"), online(world, "bob", "tv", priority=-1)
        result = alice.send("bob", storage=ALL)
        assert [event.session_id for event in arrivals(result)] == [phone.session_id]
        assert copies_of(result) == {tv.session_id: ("received", BOB)}

    def test_a_message_that_waits_is_not_copied(self, world: World):
        """It is given to who comes to take it."""
        alice, _tv = world.online("alice"), online(world, "bob", "tv", priority=-1)
        assert copies_of(alice.send("bob", storage=ALL)) == {}
        assert world.count("offline") == 1

    def test_what_comes_back_is_not_copied(self, world: World):
        """A bounced message was not received."""
        alice = world.online("alice")
        online(world, "bob", "tv", priority=-1)
        assert copies_of(alice.send("bob", storage=int(Storage.COPY))) == {}
        assert copies_of(alice.send("bob", storage=ALL, kind=MessageKind.GROUPCHAT)) == {}

    @pytest.mark.parametrize("to", ["alice", "alice/desk"])
    def test_to_oneself(self, world: World, to: str):
        """A message to the own account is copied once, as received, and not to its sender."""
        phone, desk = online(world, "alice", "phone"), online(world, "alice", "desk")
        tv = online(world, "alice", "tv", priority=-1)
        result = phone.send(to, storage=ALL)
        assert desk.session_id in {event.session_id for event in arrivals(result)}
        assert copies_of(result) == {tv.session_id: ("received", ALICE)}


class TestSwitch:
    """4, 5 and 10.1. Enabling and disabling."""

    def test_disabling_and_enabling_again(self, world: World):
        """Each takes effect with the next message; doing either twice is no error."""
        phone, desk = world.online("alice", "phone"), online(world, "alice", "desk")
        for enabled in (False, False, True, True):
            assert desk.do(SetCarbons(enabled=enabled)).outcome == Done()
            assert bool(copies_of(phone.send("bob", storage=ALL))) is enabled

    def test_it_ends_with_the_session(self, world: World):
        """A new session of the same resource has to ask again."""
        phone, _desk = world.online("alice", "phone"), online(world, "alice", "desk")
        world.online("alice", "desk")
        assert copies_of(phone.send("bob", storage=ALL)) == {}


class TestWithManagement:
    """Copies are owed like messages (XEP-0198)."""

    @pytest.mark.parametrize(("storage", "kept"), [(ALL, 1), (UNARCHIVED, 0)])
    def test_a_copy_is_owed_until_it_is_acknowledged(self, world: World, storage: int, kept: int):
        """The row names the form; what is not archived is gone with the last acknowledgement."""
        phone, desk = world.online("alice", "phone"), online(world, "alice", "desk", managed=True)
        tv = online(world, "bob", "tv", managed=True, priority=-1)
        world.online("bob", "phone")
        result = phone.send("bob", storage=storage)
        assert world.count("inbox") == 2
        forms = world.machine._database.execute("SELECT form FROM inbox ORDER BY session_id").fetchall()
        assert forms == [(carbons.FORM_SENT,), (carbons.FORM_RECEIVED,)]
        desk.acknowledge(result.position)
        assert (world.count("inbox"), world.count("message")) == (1, 1)
        tv.acknowledge(result.position)
        assert (world.count("inbox"), world.count("message")) == (0, kept)

    def test_what_is_owed_comes_again_in_its_form(self, world: World):
        """A session that continues is given copies as copies, beside its messages, in the order of delivery."""
        phone, desk = world.online("alice", "phone"), online(world, "alice", "desk", managed=True)
        bob = world.online("bob")
        sent = phone.send("bob", "1", storage=ALL).position
        got = bob.send("alice/phone", "2", storage=ALL).position
        own = bob.send("alice/desk", "3", storage=UNARCHIVED).position
        events = world.machine.answer(InboxPage(desk.session_id, CURSOR_START, 100))
        assert [(type(event), event.position) for event in events] == [  # type: ignore[union-attr]
            (CarbonCopied, sent),
            (CarbonCopied, got),
            (MessageArrived, own),
        ]
        first, second, third = events  # type: ignore[misc]
        assert (first.direction, first.owner, second.direction, second.owner) == ("sent", ALICE, "received", ALICE)
        assert (first.delayed_ms, third.owner) == (world.time_ms, "")

    def test_an_unacknowledged_copy_does_not_wait_offline(self, world: World):
        """The message was for others; they hold the duty."""
        phone, desk = world.online("alice", "phone"), online(world, "alice", "desk", managed=True)
        world.online("bob")
        phone.send("bob", storage=UNARCHIVED)
        desk.end()
        assert (world.count("inbox"), world.count("offline"), world.count("message")) == (0, 0, 0)

    def test_a_copy_takes_over_the_duty_of_its_message(self, world: World):
        """The session the message was for ends; who owes a copy of it is not given it again, and keeps it."""
        alice = world.online("alice")
        phone = world.online("bob", "phone", managed=True)
        tv = online(world, "bob", "tv", managed=True, priority=-1)
        position = alice.send("bob", storage=UNARCHIVED).position
        phone.end()
        assert world.count("offline") == 1
        assert [event for event in tv.present(0).events if isinstance(event, MessageArrived | CarbonCopied)] == []
        assert (world.count("offline"), world.count("inbox"), world.count("message")) == (0, 1, 1)
        tv.end()
        assert world.count("offline") == 1
        desk = world.bind("bob", "desk")
        assert [event.position for event in arrivals(desk.present())] == [position]
        assert world.count("message") == 0

    @pytest.mark.parametrize("storage", [ALL, UNARCHIVED])
    @pytest.mark.parametrize("phone_ends_first", [True, False])
    def test_an_acknowledged_copy_is_not_given_again(self, world: World, storage: int, phone_ends_first: bool):
        """The account has the message, whether the session it was for ends before or after."""
        alice = world.online("alice")
        phone = world.online("bob", "phone", managed=True)
        tv = online(world, "bob", "tv", managed=True, priority=-1)
        position = alice.send("bob", storage=storage).position
        steps = [phone.end, lambda: tv.acknowledge(position)]
        for step in steps if phone_ends_first else reversed(steps):
            step()
        assert (world.count("offline"), world.count("inbox")) == (0, 0)
        assert world.count("message") == bool(storage & Storage.ARCHIVE)
        assert arrivals(tv.present(0)) == []

    def test_one_that_owes_too_much_gets_no_copy(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """The bound of an inbox holds for copies as well."""
        monkeypatch.setattr(carbons, "INBOX_MESSAGE_COUNT_MAX", 2)
        phone, desk = world.online("alice", "phone"), online(world, "alice", "desk", managed=True)
        assert [len(copies_of(phone.send("bob", storage=ALL))) for _ in range(3)] == [1, 1, 0]
        desk.acknowledge(world.machine.applied_index << 16)
        assert len(copies_of(phone.send("bob", storage=ALL))) == 1


class TestBlocked:
    """Nothing blocked is copied (XEP-0191)."""

    def test_a_blocked_message_is_copied_to_nobody_of_the_blocker(self, world: World):
        """Only the sender's own devices see that it was sent."""
        phone, desk = world.online("alice", "phone"), online(world, "alice", "desk")
        world.online("bob", "phone")
        tv = online(world, "bob", "tv", priority=-1)
        tv.do(ChangeBlocklist(True, (ALICE,)))
        assert copies_of(phone.send("bob", storage=ALL)) == {desk.session_id: ("sent", ALICE)}

    def test_a_message_to_who_is_blocked_is_not_copied(self, world: World):
        """It was not sent at all."""
        phone, _desk = world.online("alice", "phone"), online(world, "alice", "desk")
        phone.do(ChangeBlocklist(True, (BOB,)))
        assert copies_of(phone.send("bob", storage=ALL)) == {}


def test_what_is_kept_in_memory_can_be_forgotten(world: World):
    """Who wants copies is read from the tables again."""
    phone, desk = world.online("alice", "phone"), online(world, "alice", "desk")
    world.machine._context.drop_derived()
    assert copies_of(phone.send("bob", storage=ALL)) == {desk.session_id: ("sent", ALICE)}
