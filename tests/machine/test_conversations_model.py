"""Unread messages against a model that reads a conversation forwards, whatever people do in whatever order."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from machine.rooms import ADDRESS, enter, open_room, raise_version
from machine.world import DOMAIN, Client, World
from raftline.base.ids import Epochs, Position, format_stanza_id
from raftline.base.limits import UNREAD_REACH_MAX
from raftline.machine.conversations.queries import ConversationsOf
from raftline.machine.conversations.values import Conversation, ConversationSlice
from raftline.machine.pubsub.bookmarks import PRIVATE_OPTIONS
from raftline.machine.pubsub.commands import Publish
from raftline.machine.pubsub.displayed import DISPLAYED_NODE
from raftline.machine.rooms.commands import SpeakInRoom

EPOCH = 5
BOB = f"bob@{DOMAIN}"
INSTANT = "<body>hi</body>"
OTHERS = (
    "<reactions xmlns='urn:xmpp:reactions:0' id='m'/>",
    "<body>x</body><replace xmlns='urn:xmpp:message-correct:0' id='m'/>",
    "<body>x</body><retract xmlns='urn:xmpp:message-retract:1' id='m'/>",
)


class Said(NamedTuple):
    """A message as the model knows it."""

    position: Position
    is_own: bool
    is_instant: bool


class Talk:
    """Alice's conversation with Bob, or in his room, and what she has said of having read it."""

    def __init__(self, world: World, *, in_room: bool) -> None:
        self.world = world
        self.in_room = in_room
        self.alice, self.bob = world.online("alice"), world.online("bob")
        self.jid = ADDRESS if in_room else BOB
        if in_room:
            open_room(self.bob)
            enter(self.alice, "ally")
        self.said: list[Said] = []
        self.read_to = 0

    def say(self, *, is_own: bool, inner: str) -> None:
        """Let one of them say something."""
        client, other = (self.alice, "bob") if is_own else (self.bob, "alice")
        self.said.append(Said(self._send(client, other, inner, 0), is_own, inner == INSTANT))

    def mark(self, index: int) -> None:
        """Let Alice send a marker that is not archived; an index behind the end names the marker itself, or nothing."""
        position = self.said[index].position if index < len(self.said) else Position(1 << 60)
        self._send(self.alice, "bob", "<displayed xmlns='urn:xmpp:chat-markers:0'/>", position)
        self.read_to = max(self.read_to, position if index < len(self.said) else 0)

    def display(self, index: int) -> None:
        """Let a device of Alice's publish a displayed state, which takes the place of the former one."""
        known = index < len(self.said)
        position = self.said[index].position if known else Position(1 << 60)
        by = self.jid if self.in_room else self.alice.jid
        named = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='{format_stanza_id(Epochs(EPOCH), position)}'/>"
        payload = f"<displayed xmlns='{DISPLAYED_NODE}'>{named}</displayed>".encode()
        self.alice.do(Publish(DISPLAYED_NODE, self.jid, payload, PRIVATE_OPTIONS))
        self.displayed = position if known else 0

    displayed = 0

    @property
    def expected(self) -> int:
        """Read forwards: what is Bob's is unread until something says otherwise."""
        unread = 0
        for message in self.said:
            if message.is_own and message.is_instant:
                unread = 0
            elif not message.is_own and message.is_instant and message.position > max(self.read_to, self.displayed):
                unread += 1
        return unread

    @property
    def found(self) -> Conversation | None:
        """The machine's answer."""
        part = self.world.machine.answer(ConversationsOf("alice", Epochs(EPOCH), None, UNREAD_REACH_MAX))
        assert isinstance(part, ConversationSlice)
        assert part.next is None
        return next((found for found in part.conversations if found.jid == self.jid), None)

    def _send(self, client: Client, other: str, inner: str, marked: int) -> Position:
        kept = not marked
        if self.in_room:
            stanza = f"<message type='groupchat'>{inner}</message>".encode()
            action = SpeakInRoom("den", stanza, False, kept, "", b"", marked=Position(marked))
            return client.do(action).position
        stanza = f"<message from='{client.full_jid}' to='{other}@{DOMAIN}'>{inner}</message>".encode()
        changes = {} if kept else {"storage": 0}
        return client.send(other, stanza=stanza, marked=Position(marked), **changes).position


ACTIONS = st.one_of(
    st.tuples(st.just("say"), st.booleans(), st.sampled_from([INSTANT, INSTANT, *OTHERS])),
    st.tuples(st.just("mark"), st.integers(0, 12)),
    st.tuples(st.just("display"), st.integers(0, 12)),
)


@settings(max_examples=60, deadline=None)
@given(in_room=st.booleans(), actions=st.lists(ACTIONS, max_size=25))
def test_unread(in_room: bool, actions: list[tuple[object, ...]]) -> None:
    """After each step the list says what the model says."""
    world = World()
    try:
        for localpart in ("alice", "bob"):
            world.account(localpart)
        raise_version(world)
        talk = Talk(world, in_room=in_room)
        for name, *arguments in actions:
            if name == "say":
                is_own, inner = arguments
                talk.say(is_own=bool(is_own), inner=str(inner))
            else:
                getattr(talk, str(name))(arguments[0])
            found = talk.found
            assert (0 if found is None else found.unread) == talk.expected
            last = talk.said[-1].position if talk.said else 0
            assert (0 if found is None else found.position) == last
    finally:
        world.machine.close()
