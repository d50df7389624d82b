"""
Whoever is away from a group is known at any moment as if it were read from the tables just then.

Accounts, sessions, registrations, affiliations and nicknames change in whatever order; what the room remembers of its
members is compared with what a fresh look finds.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from machine.groups import ADDRESS, open_group
from machine.pushing import detach, disable, enable, resume
from machine.rooms import ROOM, TOKEN, change_affiliation, enter, leave, manage, say
from machine.world import Client, World
from raftline.machine.commands import CarryOutDue, DeleteAccount
from raftline.machine.rooms.commands import RegisterInRoom
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.watchers import RoomWatchers

PEOPLE = ("bob", "carol")
_PERSON = st.sampled_from(PEOPLE)
_NICK = st.sampled_from(("one", "two"))


class Group(RuleBasedStateMachine):
    """Alice is in the room all the time; the others do whatever changes who is away."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        for name in ("alice", *PEOPLE):
            self.world.account(name)
        self.alice = open_group(self.world, members_only=False)
        self.clients: dict[str, Client] = {}
        self.waiting: set[str] = set()
        for name in PEOPLE:  # from here it is one step to any of the differences
            change_affiliation(self.alice, name, Affiliation.MEMBER)
            enable(self.client(name), "one")
            enter(self.client(name), name)

    def client(self, name: str) -> Client:
        """The one session of somebody, which is connected."""
        if name not in self.clients:
            self.clients[name] = self.world.bind(name, "phone")
            manage(self.clients[name])
        if name in self.waiting:
            resume(self.clients[name], node_id=1, token=TOKEN)
            self.waiting.discard(name)
        return self.clients[name]

    def forget(self, name: str) -> None:
        self.clients.pop(name, None)
        self.waiting.discard(name)

    @rule(name=_PERSON, value=st.sampled_from(Affiliation), nick=st.sampled_from(("", "kept one", "two")))
    def affiliate(self, name: str, value: Affiliation, nick: str) -> None:
        change_affiliation(self.alice, name, value, nick=nick if value >= Affiliation.MEMBER else "")

    @rule(name=_PERSON, nick=st.sampled_from(("", "one", "three")))
    def register(self, name: str, nick: str) -> None:
        self.client(name).do(RegisterInRoom(ROOM, nick))

    @rule(name=_PERSON, nick=_NICK, joins=st.booleans())
    def go_in(self, name: str, nick: str, joins: bool) -> None:
        enter(self.client(name), nick, joins=joins)

    @rule(name=_PERSON)
    def go_out(self, name: str) -> None:
        leave(self.client(name))

    @rule(name=_PERSON, node=_NICK)
    def enable_push(self, name: str, node: str) -> None:
        enable(self.client(name), node)

    @rule(name=_PERSON, node=_NICK)
    def enable_push_elsewhere(self, name: str, node: str) -> None:
        enable(self.world.bind(name, "tablet"), node)

    @rule(name=_PERSON, node=st.one_of(st.none(), _NICK))
    def disable_push(self, name: str, node: str | None) -> None:
        disable(self.client(name), node)

    @precondition(lambda self: set(self.clients) - self.waiting)
    @rule(data=st.data())
    def lose_connection(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(set(self.clients) - self.waiting)))
        detach(self.clients[name])
        self.waiting.add(name)

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.clients)))
        self.clients[name].end()
        self.forget(name)

    @precondition(lambda self: self.waiting)
    @rule()
    def expire(self) -> None:
        self.world.time_ms += 400_000
        self.world.do(CarryOutDue())
        for name in sorted(self.waiting):
            self.forget(name)

    @rule(name=_PERSON)
    def delete_account(self, name: str) -> None:
        self.world.do(DeleteAccount(name))
        self.world.account(name)
        self.forget(name)

    @rule(body=st.sampled_from(("hello", "one", "kept one")))
    def speak(self, body: str) -> None:
        say(self.alice, body)

    @invariant()
    def memory_and_tables_agree(self) -> None:
        context = self.world.machine._context
        room = context.rooms.get(ROOM)
        assert room is not None
        known, fresh = context.watchers.of(room), RoomWatchers(context, room.room_id, ADDRESS)
        fresh.refresh()
        assert known.away == fresh.away
        assert known._all == fresh._all
        assert vars(known._names) == vars(fresh._names)

    def teardown(self) -> None:
        self.world.machine.close()


TestGroup = Group.TestCase
TestGroup.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
