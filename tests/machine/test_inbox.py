"""Messages that are owed, and those that wait."""

from __future__ import annotations

import pytest

from machine.world import START_MS, Client, World, arrivals
from raftline.machine import inbox
from raftline.machine.commands import EnableManagement, SetCarbons
from raftline.machine.message_commands import MessageKind, Storage
from raftline.machine.outcomes import CommandResult
from raftline.machine.queries import ArchivePage

OFFLINE = int(Storage.OFFLINE)


def inbox_management(client: Client) -> EnableManagement:
    return EnableManagement(client.session_id, client.epoch)


def bodies(result: CommandResult, client: Client | None = None) -> list[str]:
    return [event.stanza.split(b"<body>")[1].split(b"<")[0].decode() for event in arrivals(result, client)]


def counts(world: World) -> tuple[int, int, int]:
    return world.count("inbox"), world.count("offline"), world.count("message")


class TestWithoutManagement:
    """Fire and forget."""

    def test_offline_messages_come_in_order_once(self, world: World):
        """XEP-0160: with the first presence that takes messages, late, then they are gone from the queue."""
        alice = world.online("alice")
        for number in range(5):
            world.time_ms += 10
            alice.send("bob", str(number))
        bob = world.bind("bob")
        assert arrivals(bob.present(-1)) == []
        result = bob.present(0)
        assert bodies(result) == list("01234")
        assert [event.delayed_ms for event in arrivals(result)] == [START_MS + 10 * n for n in range(1, 6)]
        assert {event.owner for event in arrivals(result)} == {bob.jid}
        assert arrivals(bob.present(1)) == []
        assert counts(world) == (0, 0, 5)
        assert world.machine.answer(ArchivePage("bob")).count == 5

    def test_without_archive_the_message_goes_with_its_last_row(self, world: World):
        """Kept offline alone it is stored until delivered, and names no archive."""
        alice = world.online("alice")
        alice.send("bob", storage=OFFLINE)
        assert counts(world) == (0, 1, 1)
        result = world.bind("bob").present()
        assert [event.owner for event in arrivals(result)] == [""]
        assert counts(world) == (0, 0, 0)

    def test_an_ended_session_owes_nothing(self, world: World):
        """What was delivered to it was delivered."""
        alice, bob = world.online("alice"), world.online("bob")
        alice.send("bob")
        bob.end()
        assert arrivals(world.bind("bob").present()) == []


class TestWithManagement:
    """XEP-0198: kept until acknowledged."""

    @pytest.mark.parametrize("storage", [3, OFFLINE])
    def test_what_is_not_acknowledged_waits_in_order(self, world: World, storage: int):
        """The acknowledged prefix is gone, the rest becomes offline messages and comes again, with the same ids."""
        alice, bob = world.online("alice"), world.online("bob", managed=True)
        sent = [alice.send("bob", str(number), storage=storage) for number in range(5)]
        bob.acknowledge(sent[1].position)
        assert world.count("inbox") == 3
        bob.end()
        assert counts(world)[:2] == (0, 3)
        again = world.bind("bob", "new").present()
        assert bodies(again) == list("234")
        assert [event.position for event in arrivals(again)] == [result.position for result in sent[2:]]
        assert counts(world) == (0, 0, 5 if storage & 1 else 0)

    def test_offline_messages_move_to_the_inbox(self, world: World):
        """And back, if that session ends without acknowledging as well."""
        alice = world.online("alice")
        alice.send("bob", "x")
        for number in range(3):
            bob = world.bind("bob", f"r{number}")
            world.do(inbox_management(bob))
            assert bodies(bob.present()) == ["x"]
            assert counts(world) == (1, 0, 1)
            bob.end()
            assert counts(world) == (0, 1, 1)

    def test_without_the_offline_flag_it_is_over(self, world: World):
        """A message that is not to be kept is dropped with the session."""
        alice, bob = world.online("alice"), world.online("bob", managed=True)
        alice.send("bob", storage=0)
        alice.send("bob", kind=MessageKind.HEADLINE, storage=OFFLINE)
        assert counts(world) == (2, 0, 2)
        bob.end()
        assert counts(world) == (0, 0, 0)

    def test_late_and_live_messages_are_acknowledged_by_position(self, world: World):
        """A late message has a lower position than a live one delivered before it."""
        alice = world.online("alice")
        late = alice.send("bob", "late")
        bob = world.online("bob", priority=-1, managed=True)
        live = alice.send("bob/r", "live")
        assert bodies(bob.present(1)) == ["late"]
        bob.acknowledge(live.position)
        assert world.count("inbox") == 1
        bob.acknowledge(live.position)  # a mark that is repeated takes nothing more
        assert world.count("inbox") == 1
        bob.acknowledge(late.position)
        assert counts(world) == (0, 0, 2)

    def test_a_flood_is_acknowledged_in_parts(self, world: World):
        """Messages delivered by one command are ordered by position."""
        alice = world.online("alice")
        sent = [alice.send("bob", str(number)) for number in range(4)]
        bob = world.online("bob", priority=None, managed=True)
        bob.present()
        bob.acknowledge(sent[1].position)
        assert world.count("inbox") == 2
        bob.end()
        assert bodies(world.bind("bob").present()) == ["2", "3"]

    def test_a_mark_under_way_takes_nothing_that_came_late_meanwhile(self, world: World):
        """It was written before the late messages were given, and lies after them."""
        alice = world.online("alice")
        alice.send("bob", "late")
        bob = world.online("bob", priority=-1, managed=True)
        alice.send("bob/r", "live")
        live = alice.send("bob/r", "live").position
        bob.acknowledge(live - 1)
        bob.present(1)
        bob.acknowledge(live - 1)
        bob.end()
        assert bodies(world.bind("bob").present()) == ["late", "live"]

    def test_a_mark_repeated_takes_nothing_that_came_late_meanwhile(self, world: World):
        """Nothing was owed when the late messages came, but something had been acknowledged."""
        alice = world.online("alice")
        alice.send("bob", "late")
        bob = world.online("bob", priority=-1, managed=True)
        live = alice.send("bob/r", "live").position
        bob.acknowledge(live)
        bob.present(1)
        bob.acknowledge(live)
        bob.end()
        assert bodies(world.bind("bob").present()) == ["late"]

    def test_part_of_what_came_late_is_acknowledged(self, world: World):
        """Messages delivered by one command are acknowledged one by one, after a reopening too."""
        alice = world.online("alice")
        sent = [alice.send("bob", str(number)) for number in range(4)]
        bob = world.online("bob", priority=-1, managed=True)
        alice.send("bob/r", "live")
        bob.present(1)
        world.machine._context.drop_derived()
        bob.acknowledge(sent[1].position)
        bob.end()
        assert bodies(world.bind("bob").present()) == ["2", "3"]

    def test_a_bounded_inbox_takes_offline_messages_in_parts(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """The rest waits for the next presence after an acknowledgement."""
        monkeypatch.setattr(inbox, "INBOX_MESSAGE_COUNT_MAX", 2)
        alice = world.online("alice")
        for number in range(3):
            alice.send("bob", str(number))
        bob = world.bind("bob")
        world.do(inbox_management(bob))
        first = bob.present()
        assert bodies(first) == ["0", "1"]
        assert bodies(bob.present()) == []
        bob.acknowledge(arrivals(first)[-1].position)
        assert bodies(bob.present()) == ["2"]


class TestSeveralSessions:
    """Another session of the account may have taken a message."""

    @pytest.mark.parametrize("storage", [3, OFFLINE])
    def test_acknowledged_by_one_is_taken_for_all(self, world: World, storage: int):
        """Whether the one that acknowledged ends first or last."""
        for first_ends in (True, False):
            alice = world.online("alice", f"a{first_ends}")
            one, two = world.online("bob", "one", managed=True), world.online("bob", "two", managed=True)
            result = alice.send("bob", storage=storage)
            assert len(arrivals(result)) == 2
            one.acknowledge(result.position)
            for bob in (one, two) if first_ends else (two, one):
                bob.end()
            assert counts(world)[:2] == (0, 0)
            last = world.bind("bob")
            assert arrivals(last.present()) == []
            last.end()

    @pytest.mark.parametrize("storage", [3, OFFLINE])
    def test_acknowledged_by_none_waits_once(self, world: World, storage: int):
        """The last session that ends hands it on."""
        alice = world.online("alice")
        one, two = world.online("bob", "one", managed=True), world.online("bob", "two", managed=True)
        alice.send("bob", "x", storage=storage)
        one.end()
        assert world.count("offline") == 0
        two.end()
        assert counts(world) == (0, 1, 1)
        assert bodies(world.bind("bob").present()) == ["x"]

    def test_a_session_without_management_takes_it_at_once(self, world: World):
        """The other session's end keeps nothing, and gives it to nobody a second time."""
        alice = world.online("alice")
        managed, _plain = world.online("bob", "one", managed=True), world.online("bob", "two")
        alice.send("bob")
        assert arrivals(managed.end()) == []
        assert counts(world) == (0, 0, 1)

    def test_a_session_that_went_away_still_owes(self, world: World):
        """What it has not acknowledged waits with it alone, and is given to no session that comes meanwhile."""
        alice = world.online("alice")
        one, two = world.online("bob", "one", managed=True), world.online("bob", "two", managed=True)
        alice.send("bob", "x")
        two.present(None)
        one.end()
        assert counts(world) == (1, 0, 1)
        assert arrivals(world.bind("bob", "three").present()) == []
        assert bodies(two.end()) == ["x"]

    def test_a_copy_takes_over_and_the_rest_is_given(self, world: World):
        """What a session has as a copy is not given to it again when it takes messages; what follows that is."""
        alice, phone = world.online("alice"), world.online("bob", "phone", managed=True)
        tv = world.online("bob", "tv", managed=True, priority=-1)
        tv.do(SetCarbons(enabled=True))
        alice.send("bob", "copied", storage=int(Storage.ARCHIVE | Storage.OFFLINE | Storage.COPY))
        alice.send("bob", "new")
        phone.end()
        assert world.count("offline") == 2
        assert bodies(tv.present(1)) == ["new"]
        assert counts(world) == (2, 0, 2)

    def test_a_session_that_came_later_gets_it_at_once(self, world: World):
        """Nothing waits offline while a session takes messages."""
        alice, old = world.online("alice"), world.online("bob", "old", managed=True)
        alice.send("bob", "x")
        new = world.online("bob", "new", managed=True)
        result = old.end()
        assert bodies(result, new) == ["x"]
        assert arrivals(result)[0].delayed_ms == START_MS
        assert counts(world) == (1, 0, 1)
