"""
What a session is owed that continues: after a resumption, or after its client was too slow for live delivery.

Deliveries are read from the session's inbox, in the order of delivery, from a cursor on; they carry the same position,
and so the same stanza id, as when they were live. What is not kept for each session (presence, rosters, nodes) is told
as it is now: a client that missed changes wants their sum.

These are questions to the local replica, asked by the node that holds the session.
"""

from __future__ import annotations

from bisect import bisect_right

from raftline.base.ids import AccountId, Cursor
from raftline.base.limits import INBOX_PAGE_BYTES_MAX, INBOX_PAGE_ROW_COUNT_MAX
from raftline.machine import carbons, departures, kept_requests, rosters
from raftline.machine.context import Context
from raftline.machine.idempotency import decode_outcome
from raftline.machine.outcomes import ContactUnavailable, Delivery, Event, PresenceArrived, RosterPushed
from raftline.machine.presence import SUBSCRIBED_FROM, SUBSCRIBED_TO
from raftline.machine.pubsub.catch_up import missed
from raftline.machine.queries import InboxPage, KeptAnswer, Picture, PictureOf
from raftline.machine.records import Account, Owed, Session
from raftline.machine.rooms import deliveries
from raftline.machine.rooms.deliveries import OwedOfRoom


def inbox_page(context: Context, query: InboxPage) -> list[Event]:
    """Return the next deliveries after a cursor; none when the session has all, or is over."""
    session = context.sessions.get(query.session_id)
    if session is None:
        return []
    rows = list(context.inboxes.of(query.session_id).values())
    start = bisect_right(rows, query.after, key=_cursor_of)
    limit = min(max(query.limit, 0), INBOX_PAGE_ROW_COUNT_MAX)
    page = rows[start : start + limit]
    of_rooms = deliveries.owed_after(context, session, query.after, limit)
    events: list[Event] = []
    byte_count = 0
    deliverable: list[Owed | OwedOfRoom] = [*page, *of_rooms]
    for owed in sorted(deliverable, key=_cursor_of)[:limit]:
        if byte_count > INBOX_PAGE_BYTES_MAX:
            break
        event = _event_of(context, session, owed)
        events.append(event)
        byte_count += len(event.stanza)
    return events


def _cursor_of(owed: Owed | OwedOfRoom) -> Cursor:
    return owed.cursor if isinstance(owed, OwedOfRoom) else Cursor(owed.delivered, owed.position)


def _event_of(context: Context, session: Session, owed: Owed | OwedOfRoom) -> Delivery:
    if isinstance(owed, OwedOfRoom):
        return deliveries.event_of(context, session, owed)
    message = context.messages.get(owed.position)
    assert message is not None, owed
    if owed.form == deliveries.FORM_ROOM:
        return deliveries.event_of_row(session, owed, message)
    return carbons.event_of(context, session, owed, message, delayed_ms=message.time_ms)


def picture_of(context: Context, query: PictureOf) -> Picture:
    """Return what a session that was just resumed has to be told beside its deliveries."""
    session = context.sessions.get(query.session_id)
    account = None if session is None else context.accounts.get(session.localpart)
    if session is None or account is None:
        return Picture([], [])
    answers = [
        KeptAnswer(row.number, row.request_id, row.recipient, decode_outcome(row.outcome) if row.outcome else None)
        for row in kept_requests.of(context, session.session_id)
    ]
    events = _roster_changes(context, session, account)
    if context.presences.get(session.session_id) is not None:
        events += _presence_of_contacts(context, session)
        events += _presence_of_own_sessions(context, session)
        events += missed(context, session)
    events += deliveries.pictures(context, session)
    return Picture(answers, events)


def _roster_changes(context: Context, session: Session, account: Account) -> list[Event]:
    """Return pushes of what changed since the version that the client knows, removals too."""
    row = context.resumptions.get(session.session_id)
    if not session.interested or row is None or account.roster_version <= row.roster_version:
        return []
    return [
        RosterPushed(session.node_id, session.session_id, item, version)
        for item, version in rosters.changes_since(context, account, row.roster_version)
    ]


def _presence_of_contacts(context: Context, session: Session) -> list[Event]:
    """Answer as if the session had probed (RFC 6121 section 4.3.2), and tell which resources left lately."""
    sql = "SELECT contact FROM roster WHERE account_id = ? AND subscription & ? ORDER BY contact"
    own_jid = context.bare_jid(session.localpart)
    full_jid = f"{own_jid}/{session.resource}"
    events: list[Event] = []
    for (contact,) in context.rows.select((context.roster,), sql, (session.account_id, SUBSCRIBED_TO)):
        localpart = context.account_named(contact)
        account = None if localpart is None else context.accounts.get(localpart)
        if account is None or context.blocks(session, contact) or context.blocks(account, full_jid):
            continue
        entry = context.roster.get((account.account_id, own_jid))
        if entry is None or not entry.subscription & SUBSCRIBED_FROM:
            continue
        available = context.session_index.available(account.account_id)
        events += _farewells(context, session, contact, account.account_id)
        events += [
            PresenceArrived(session.node_id, session.session_id, presence.stanza)
            for other, presence in available
            if not context.blocks(session, f"{contact}/{other.resource}")
        ]
    return events


def _farewells(context: Context, session: Session, bare_jid: str, account_id: AccountId) -> list[Event]:
    return [
        ContactUnavailable(session.node_id, session.session_id, f"{bare_jid}/{resource}")
        for resource in departures.left_resources(context, account_id)
        if not context.blocks(session, f"{bare_jid}/{resource}")
    ]


def _presence_of_own_sessions(context: Context, session: Session) -> list[Event]:
    events = _farewells(context, session, context.bare_jid(session.localpart), session.account_id)
    events += [
        PresenceArrived(session.node_id, session.session_id, presence.stanza)
        for other, presence in context.session_index.available(session.account_id)
        if other.session_id != session.session_id
    ]
    sql = "SELECT contact, stanza FROM request WHERE account_id = ? ORDER BY contact"
    for contact, stanza in context.rows.select((context.requests,), sql, (session.account_id,)):
        if not context.blocks(session, contact):
            events.append(PresenceArrived(session.node_id, session.session_id, stanza))
    return events
