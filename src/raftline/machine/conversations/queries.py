"""Questions about conversations; see machine/queries.py."""

from __future__ import annotations

from raftline.base.ids import Epochs, Position
from raftline.base.limits import UNREAD_REACH_MAX
from raftline.machine.conversations.values import SliceEnd
from raftline.machine.queries import Query


class ConversationsOf(Query, frozen=True, array_like=True, tag=125):
    """
    The conversations of an account, in slices. Answer: `ConversationSlice`.

    Attributes:
        epochs: Of the stanza ids that displayed states name.
        after: Where the last slice ended; None for the first.
        reach: Messages of each conversation, from its end, among which unread ones are counted.
    """

    localpart: str
    epochs: Epochs
    after: SliceEnd | None = None
    reach: int = UNREAD_REACH_MAX


class LastMessagesOf(Query, frozen=True, array_like=True, tag=126):
    """
    What is shown beside conversations of an account. Answer: `list[ArchiveRow | None]`, in the same order.

    None stands for a conversation in whose last messages there is no instant message. The answer ends early when it
    grows too large, but not before the first.

    Attributes:
        jids: Bare JIDs of contacts and rooms.
    """

    localpart: str
    jids: tuple[str, ...]


class MessageNamed(Query, frozen=True, array_like=True, tag=127):
    """
    Which message of `contact` in the archive of `owner` has this `id` attribute? Answer: `Position | None`.

    The latest counts; it is looked for among the last messages of the conversation alone.

    Attributes:
        owner: Local part of an account.
        contact: A bare JID.
        id_attribute: ` id='…'`, as start tags of stored stanzas have it.
    """

    owner: str
    contact: str
    id_attribute: bytes


class TicksWith(Query, frozen=True, array_like=True, tag=128):
    """
    How far have messages to a contact come? Answer: `list[Tick | None]`, None for what the account did not send there.

    Attributes:
        contact: A bare JID.
    """

    localpart: str
    contact: str
    positions: tuple[Position, ...]


class RoomTicks(Query, frozen=True, array_like=True, tag=129):
    """
    By whom are messages of a room read? Answer: `RoomTickSlice | None`, None if the account may not read the room.

    Attributes:
        room: Local part of its address.
        after: Where the last slice ended; empty for the first.
    """

    localpart: str
    room: str
    positions: tuple[Position, ...]
    after: str = ""
