"""
Members who are away are told of what is said in a room (XEP-0357), as their settings want it (XEP-0492).

A member is told whether or not they have ever been there; who has no affiliation is not, however often they come. The
room knows which members have a device that is not given a message (watchers.py) and hands over to their accounts;
these look at settings and block lists and decide (push/alerts.py). The rest is about how many they are:

    up to ROOM_ALERT_STEP_COUNT_MAX away        all of them by the command of the message
    more                                        those who are mentioned by that command, the others in a round of steps

A round is a timer (timers/due.py): each step tells so many, in the order of addresses, and the next begins where it
ended. Messages that come meanwhile wait for the next round, which tells of them together, by the last; rounds begin
ROOM_ALERT_INTERVAL_MS apart at least. So a message never costs a row for each member, a room in which much is said
costs no more than so many notifications per second, and everybody is told of the latest within a few seconds. It is the
settings at the time of the step that count.

Decided against a row for each member and message that waits: a group of a thousand would write a thousand of them.
Decided against telling all by the command: it would hold up everybody else's for 20 ms.

What is said where no archive keeps it alerts nobody: there would be nothing to find. Nor does what is no instant
message, and a subject.

A device that was given messages which it never acknowledged is told of them when its session begins to wait, or ends,
as of those of contacts: one notification for each room (`device_left`).
"""

from __future__ import annotations

from typing import Final

from raftline.base.ids import AccountId, Position
from raftline.base.limits import (
    ROOM_ALERT_INTERVAL_MS,
    ROOM_ALERT_STEP_COUNT_MAX,
    ROOM_MENTION_ALERT_COUNT_MAX,
    ROOM_OWED_ALERT_REACH_MAX,
)
from raftline.machine.context import Context
from raftline.machine.conversations.mentions import Mentions
from raftline.machine.conversations.payloads import Kind, kind_of
from raftline.machine.conversations.unread import nicks_of
from raftline.machine.pubsub.bookmarks import BOOKMARKS_NODE
from raftline.machine.push.alerts import Chat, alert
from raftline.machine.records import Account, Session, StoredMessage
from raftline.machine.rooms import settings as room_settings
from raftline.machine.rooms import showing
from raftline.machine.rooms.alert_tables import AlertRound
from raftline.machine.rooms.blocks import is_unwanted
from raftline.machine.rooms.entering import affiliation_of
from raftline.machine.rooms.handovers import MemberAlerted
from raftline.machine.rooms.moderation import address_at
from raftline.machine.rooms.ranks import Affiliation
from raftline.machine.rooms.tables import Occupant, Room, Visit
from raftline.machine.rooms.watchers import Watcher

_NOWHERE: Final = Position(0)


def tell_away(context: Context, room: Room, author: Occupant, stanza: bytes) -> None:
    """The room's side: the message of this command, which the archive keeps, was said by somebody."""
    watchers = context.watchers.of(room)
    away = watchers.away
    if not away or kind_of(stanza) is not Kind.INSTANT:
        return
    mentioned = watchers.mentioned_in(stanza)
    if len(away) <= ROOM_ALERT_STEP_COUNT_MAX:
        told = [(watcher, jid in mentioned) for jid, watcher in sorted(away.items())]
    else:
        called = sorted(mentioned & away.keys())[:ROOM_MENTION_ALERT_COUNT_MAX]
        told = [(away[jid], True) for jid in called]
        _begin_round(context, room)
    for watcher, is_mention in told:
        if watcher.jid != author.jid:
            _hand_over(context, room, watcher, context.position, author.jid, author.nick, is_mention=is_mention)


def carry_on(context: Context, room_id: AccountId) -> None:
    """Take the next step of a round that is due (timers/due.py)."""
    row = context.alert_rounds.get(room_id)
    assert row is not None, room_id
    room = context.rooms.get(row.room)
    assert room is not None, row  # the row goes with the room
    assert room.room_id == room_id, row
    if not row.after:
        row = row._replace(began_ms=context.time_ms)
    message = context.messages.get(row.position)
    author = _author_of(context, room, row.position)
    step: list[Watcher] = []
    if message is not None and author is not None and kind_of(message.stanza) is Kind.INSTANT:
        away = context.watchers.of(room).away
        rest = sorted(jid for jid in away if jid > row.after)
        step = [away[jid] for jid in rest[: ROOM_ALERT_STEP_COUNT_MAX + 1]]
        for watcher in step[:ROOM_ALERT_STEP_COUNT_MAX]:
            if watcher.jid != author:
                nick = message.from_resource
                _hand_over(context, room, watcher, row.position, author, nick, count=row.message_count)
    if len(step) > ROOM_ALERT_STEP_COUNT_MAX:
        row = row._replace(after=step[-2].jid)
    else:  # the round is over
        due_ms = max(context.time_ms, row.began_ms + ROOM_ALERT_INTERVAL_MS) if row.next_message_count else 0
        row = row._replace(due_ms=due_ms, position=row.next_position, message_count=row.next_message_count, after="")
        row = row._replace(next_position=_NOWHERE, next_message_count=0)
    context.alert_rounds.put(room_id, row)


def member_alerted(context: Context, handed: MemberAlerted) -> None:
    """The account's side."""
    account = context.accounts.get(handed.localpart)
    sender = f"{handed.room}/{handed.nick}"
    if account is None or _is_blocked(context, account, sender, handed.author):
        return
    if context.blocklists.of(account.account_id) and _is_unwanted(context, account, handed):
        return
    chat = Chat(is_public=handed.is_public, is_mention=handed.is_mention)
    alert(context, account, sender, handed.given, chat=chat, position=handed.position, count=handed.message_count)


def device_left(context: Context, session: Session) -> None:
    """The session of a device is over, or waits: notify the device of what it was given in rooms and may not have."""
    registrations = context.push.of(session.account_id)
    if not session.managed or all(row.resource != session.resource for row in registrations):
        return
    account = context.accounts.get(session.localpart)
    progress = context.progress.get(session.session_id)
    assert account is not None, session
    assert progress is not None, session
    for visit in context.visits.open(session.session_id):
        _tell_owed(context, account, session, visit, max(visit.joined, progress.delivered))


def _begin_round(context: Context, room: Room) -> None:
    """Let a round tell of the message of this command."""
    position, now_ms = context.position, context.time_ms
    row = context.alert_rounds.get(room.room_id)
    if row is None:
        row = AlertRound(room.room_id, room.name, now_ms, now_ms, position, 1, "", _NOWHERE, 0)
    elif not row.due_ms:
        due_ms = max(now_ms, row.began_ms + ROOM_ALERT_INTERVAL_MS)
        row = row._replace(due_ms=due_ms, position=position, message_count=1)
    elif not row.after:
        row = row._replace(position=position, message_count=row.message_count + 1)
    else:
        row = row._replace(next_position=position, next_message_count=row.next_message_count + 1)
    context.alert_rounds.put(room.room_id, row)


def _hand_over(
    context: Context,
    room: Room,
    watcher: Watcher,
    position: Position,
    author: str,
    nick: str,
    *,
    count: int = 1,
    is_mention: bool = False,
) -> None:
    settings = room_settings.decode(room.settings)
    is_known = settings.non_anonymous or affiliation_of(context, room, watcher.jid) >= Affiliation.ADMIN
    context.outbox.append(
        MemberAlerted(
            watcher.localpart,
            showing.address_of(context, room.name),
            nick,
            author if is_known else "",
            position,
            count,
            watcher.given,
            is_public=not settings.is_private_group,
            is_mention=is_mention,
        )
    )


def _is_blocked(context: Context, account: Account, sender: str, author: str) -> bool:
    """Whether the account has blocked the room, the nickname there, or the author as far as it may know who that is."""
    return context.blocks(account, sender) or (author != "" and context.blocks(account, author))


def _is_unwanted(context: Context, account: Account, handed: MemberAlerted) -> bool:
    """Whether the block list is against the room, which the account has chosen if it is there or has bookmarked it."""
    room = context.rooms.get(handed.room.partition("@")[0])
    bookmark = (account.account_id, BOOKMARKS_NODE, handed.room)
    is_chosen = bool(handed.given) or context.pubsub.items.get(bookmark) is not None
    return room is None or is_unwanted(context, account, room, is_chosen=is_chosen)


def _tell_owed(context: Context, account: Account, session: Session, visit: Visit, after: int) -> None:
    """Notify devices of the last of what was said after a position in a room that a session leaves."""
    room = context.rooms.get(visit.room)
    jid = context.bare_jid(account.localpart)
    if room is None or room.room_id != visit.room_id or affiliation_of(context, room, jid) < Affiliation.MEMBER:
        return
    settings = room_settings.decode(room.settings)
    is_known = settings.non_anonymous or affiliation_of(context, room, jid) >= Affiliation.ADMIN
    address = showing.address_of(context, room.name)
    found: list[StoredMessage] = []
    sql = "SELECT position FROM archive WHERE owner_id = ? AND position > ? ORDER BY position DESC LIMIT ?"
    bindings = (room.room_id, after, ROOM_OWED_ALERT_REACH_MAX)
    for (position,) in context.rows.select((context.archive,), sql, bindings):
        message, author = context.messages.get(position), _author_of(context, room, position)
        if message is None or author is None or author == jid or kind_of(message.stanza) is not Kind.INSTANT:
            continue
        if not _is_blocked(context, account, f"{address}/{message.from_resource}", author if is_known else ""):
            found.append(message)
    if found:
        mentions = Mentions(jid, address, nicks_of(context, account, room, address))
        is_mention = any(mentions.are_in(message.stanza) for message in found)
        chat = Chat(is_public=not settings.is_private_group, is_mention=is_mention)
        inside = context.occupants.of(room.room_id)
        others = context.session_index.ids(account.account_id)
        given = [held for held in others if held in inside and held != session.session_id]
        last = found[0]
        sender = f"{address}/{last.from_resource}"
        alert(context, account, sender, given, chat=chat, position=last.position, count=len(found))


def _author_of(context: Context, room: Room, position: Position) -> str | None:
    """Return the address of who said something that is in the room's archive."""
    row = context.archive.get((room.room_id, position))
    return None if row is None else address_at(context, row.contact_id)
