"""Commands of a session that send a message to an account; commands.py says how commands travel."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from raftline.base.ids import Position
from raftline.base.limits import EPHEMERAL_TIMER_S_MAX, EPHEMERAL_TIMER_S_MIN
from raftline.machine.history.commands import Retraction
from raftline.machine.polls.terms import PollTerms
from raftline.machine.tables import NATURAL
from raftline.machine.view_once.commands import SealedContent


class MessageKind(enum.IntEnum):
    """Type attribute of a message (RFC 6121 section 5.2.2)."""

    NORMAL = 1
    CHAT = 2
    HEADLINE = 3
    ERROR = 4
    GROUPCHAT = 5


class Storage(enum.IntFlag):
    """Where a message goes beside the sessions that are online; decided before it enters the log."""

    ARCHIVE = 1
    """Both sides' archives (XEP-0313 section 6)."""
    OFFLINE = 2
    """Kept for a recipient without a session that takes it (XEP-0160 section 3)."""
    COPY = 4
    """Copied to the other sessions of both sides that asked for copies (XEP-0280 section 6)."""
    ALERT = 8
    """The recipient is to be told of it, connected or not (XEP-0357 section 7). Counts from machine version 3 on."""


class SendMessage(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=50):
    """
    Send a message to an account (RFC 6121 section 8.5).

    Attributes:
        to_localpart: The recipient, an account of this domain.
        to_resource: Set when the message is addressed to a full JID.
        storage: Sum of `Storage` flags; a plain integer, since decoding a flag type costs as much as all the rest.
        stanza: The message with `from` the sender's full JID, no stanza ids by this server, and no declaration of
            `jabber:client` on its root: `<message from='a@d/r' to='b@d' type='chat'>…</message>`.
        origin_id: XEP-0359 section 3.2; empty if none. The same sender, recipient and origin id within seven days
            is the same message when `fingerprint` agrees: it is taken as done and has no second effect.
        fingerprint: 8 bytes of a hash over the stanza's payload.
        retraction: What the message takes back. Counts from machine version 3 on.
        displayed: What the sender's other devices are told of how far it has read the conversation, as one XML element
            for a place without a default namespace (XEP-0490 section 3.2.3); empty for nothing. Machine version 3.
        marked: Message of the conversation up to which the sender says that it has read (XEP-0333); 0 for none.
            Machine version 3.
    """

    to_localpart: str
    to_resource: str | None
    kind: MessageKind
    storage: Annotated[int, NATURAL]
    stanza: bytes
    origin_id: str
    fingerprint: bytes
    retraction: Retraction | None = None
    displayed: bytes = b""
    marked: Annotated[Position, NATURAL] = Position(0)


class SendEphemeral(SendMessage, frozen=True, array_like=True, kw_only=True, gc=False, tag=150):
    """
    Send a message that disappears (XEP-0466). Machine version 3.

    A command of its own, because members of an older release would apply SendMessage without the timer, and keep what
    was to go; and because messages that stay are not to pay for it.

    Attributes:
        timer_s: Seconds of cluster time after which the content is gone.
    """

    timer_s: Annotated[int, msgspec.Meta(ge=EPHEMERAL_TIMER_S_MIN, le=EPHEMERAL_TIMER_S_MAX)]


class SendPoll(SendMessage, frozen=True, array_like=True, kw_only=True, gc=False, tag=175):
    """
    Send a message that asks a question, and as polls.commands.AskInRoom says. Machine version 3.

    `timer_s` as in SendEphemeral; 0 for never.
    """

    poll: PollTerms
    timer_s: Annotated[int, msgspec.Meta(ge=0, le=EPHEMERAL_TIMER_S_MAX)] = 0


class SendSealed(SendMessage, frozen=True, array_like=True, kw_only=True, gc=False, tag=185):
    """
    Send a message of which a part is viewed once, not to oneself, and as view_once.commands.SealInRoom says.

    `timer_s` as in SendEphemeral; 0 for never. Machine version 3.
    """

    sealed: SealedContent
    timer_s: Annotated[int, msgspec.Meta(ge=0, le=EPHEMERAL_TIMER_S_MAX)] = 0
