"""
Presence subscriptions (RFC 6121 section 3), as the state machine of its appendix A.

A state is four bits: TO and FROM, the two subscriptions, and OUT and IN, the requests under way for them. Of the
sixteen combinations nine are states of the appendix; a request and the subscription it asks for never stand together.

    None                  0          To             TO           From             FROM         Both   TO|FROM
    None + Pending Out    OUT        To + Pending In  TO|IN      From + Pending Out  FROM|OUT
    None + Pending In     IN         None + Pending Out+In  OUT|IN

TO, FROM and OUT are columns of the roster item. IN is a row of the table `request`, because somebody who asks is not
in the roster for that (section 3.1.3), and the stanza has to be kept.

A fifth bit, APPROVED, is pre-approval (section 3.4): the answer to a request that has not come yet. It is set by
`subscribed` while there is neither a request nor a subscription to answer it with, answers each request from then on,
and ends with `unsubscribed` or with the roster item. It decides nothing else.
"""

from __future__ import annotations

from raftline.base.limits import SUBSCRIPTION_REQUEST_COUNT_MAX
from raftline.machine import presence, rosters
from raftline.machine.blocking import BLOCKED_BY_SENDER
from raftline.machine.business.contact import is_number
from raftline.machine.commands import ChangeSubscription, SubscriptionKind
from raftline.machine.components import contacts
from raftline.machine.context import Context
from raftline.machine.invites import issuing
from raftline.machine.outbox import SubscriptionHandedOver
from raftline.machine.outcomes import Done, Outcome, PresenceArrived, Rejected, SubscriptionChanged
from raftline.machine.presence import SUBSCRIBED_FROM, SUBSCRIBED_TO
from raftline.machine.pubsub import subscribers
from raftline.machine.records import Account, Request, RosterEntry, Session
from raftline.machine.rooms.markup import quoted
from raftline.machine.versions import FEATURES_SINCE

TO = SUBSCRIBED_TO
FROM = SUBSCRIBED_FROM
OUT = 4
IN = 8
APPROVED = 16

_SUBSCRIBE = SubscriptionKind.SUBSCRIBE
_SUBSCRIBED = SubscriptionKind.SUBSCRIBED
_UNSUBSCRIBE = SubscriptionKind.UNSUBSCRIBE
_UNSUBSCRIBED = SubscriptionKind.UNSUBSCRIBED

_ASKING = frozenset({_SUBSCRIBE, _SUBSCRIBED})
"""What begins something, which the other side has to know of."""


def outbound(kind: SubscriptionKind, state: int) -> tuple[bool, int]:
    """Return whether a stanza of the user is routed, and the user's new state (appendix A.2)."""
    if kind == _SUBSCRIBE:
        return True, state if state & TO else state | OUT
    if kind == _UNSUBSCRIBE:
        return True, state & ~(TO | OUT)
    if kind == _SUBSCRIBED:
        if state & IN:
            return True, state & ~IN | FROM
        return False, state if state & FROM else state | APPROVED
    return bool(state & (FROM | IN)), state & ~(FROM | IN | APPROVED)


def inbound(kind: SubscriptionKind, state: int) -> tuple[bool, int]:
    """Return whether a stanza of a contact is delivered, and the user's new state (appendix A.3)."""
    if kind == _SUBSCRIBE:
        return (False, state) if state & (FROM | IN) else (True, state | IN)
    if kind == _UNSUBSCRIBE:
        return bool(state & (FROM | IN)), state & ~(FROM | IN)
    if kind == _SUBSCRIBED:
        return (True, state & ~OUT | TO) if state & OUT else (False, state)
    return bool(state & (TO | OUT)), state & ~(TO | OUT)


def change_subscription(context: Context, session: Session, action: ChangeSubscription) -> Outcome:
    """The user's side of a stanza that the user sent."""
    localpart = context.account_named(action.contact)
    if localpart is None:
        if context.component_at(action.contact) is None:
            return Rejected("remote-server-not-found", "cancel", "This server talks to no others.")
        if action.kind in _ASKING and not contacts.is_there(context, action.contact):
            return Rejected("service-unavailable", "cancel", "The contact's service is not connected.")
    if localpart == session.localpart:
        return Rejected("not-allowed", "cancel", "Nobody is a contact of their own.")
    account = rosters.account_of(context, session)
    if context.blocks(account, action.contact):
        return BLOCKED_BY_SENDER
    kind, state = action.kind, state_of(context, account, action.contact)
    routed, new_state = outbound(kind, state)
    gains_item = new_state & ~IN and context.roster.get((account.account_id, action.contact)) is None
    if gains_item and rosters.is_full(context, account):
        return Rejected("resource-constraint", "wait", "The roster is full.")
    _write_state(context, account, action.contact, state, new_state)
    if not routed:
        return Done()
    if state & FROM and not new_state & FROM:
        # Before the contact learns that it is no longer subscribed (section 3.2.2).
        presence.withdraw_from_contact(context, account, action.contact, checked=True)
    invite = action.invite if context.machine_version >= FEATURES_SINCE else b""
    user = context.bare_jid(session.localpart)
    contacts.hand_subscription(context, action.contact, kind, user, action.stanza, invite)
    if new_state & FROM and not state & FROM:
        presence.send_to_contact(context, account, action.contact)
    return Done()


def receive_subscription(context: Context, handed: SubscriptionHandedOver) -> None:
    """The other side: of a stanza that a contact sent, or its server for it."""
    account = context.accounts.get(handed.to_localpart)
    kind = handed.kind
    if account is None:
        if kind == _SUBSCRIBE:
            _reply(context, handed, _UNSUBSCRIBED)
        return
    contact = handed.from_jid
    state = state_of(context, account, contact)
    # Of who is blocked nothing is shown, and a request is dropped in silence (XEP-0191 section 3.3). The end of a
    # subscription is noted all the same: both sides have to agree on who sees whom.
    blocked = context.blocks(account, contact)
    if kind == _SUBSCRIBE and blocked:
        return
    # It has what it asks for (section 3.1.3), or may have it; a business's number is seen by all.
    if kind == _SUBSCRIBE and (state & (FROM | APPROVED) or is_number(context, account)):
        if state & ~IN or not rosters.is_full(context, account):
            _write_state(context, account, contact, state, state & ~IN | FROM)
        _reply(context, handed, _SUBSCRIBED)
        presence.send_to_contact(context, account, contact)
        return
    if kind == _SUBSCRIBE and handed.invite and _take_invited(context, account, handed, state):
        return
    delivered, new_state = inbound(kind, state)
    if not delivered:
        return
    if kind == _SUBSCRIBE and _has_too_many_requests(context, account):
        _reply(context, handed, _UNSUBSCRIBED)
        return
    if not blocked:
        _deliver(context, account, contact, handed)
    _write_state(context, account, contact, state, new_state, handed.stanza or b"")
    if state & FROM and not new_state & FROM:
        presence.withdraw_from_contact(context, account, contact, checked=False)


def befriend(context: Context, account: Account, contact: str) -> None:
    """Let an account and a contact, who is on this server, see each other; the other side does the same."""
    _write_state(context, account, contact, state_of(context, account, contact), TO | FROM)
    presence.send_to_contact(context, account, contact)


def state_of(context: Context, account: Account, contact: str) -> int:
    """Return the state of an account towards a contact."""
    key = (account.account_id, contact)
    entry = context.roster.get(key)
    state = 0
    if entry is not None:
        state = entry.subscription | (OUT if entry.ask else 0) | (APPROVED if entry.approved else 0)
    return state | (IN if context.requests.get(key) is not None else 0)


def _take_invited(context: Context, account: Account, handed: SubscriptionHandedOver, state: int) -> bool:
    """
    Grant the request of somebody whom the account has invited, and ask to see them in turn (XEP-0379 section 3.5).

    Returns: False when the token is none of the account's, or there is no room; then it is a request like any other.
    """
    contact = handed.from_jid
    has_room = state & ~IN or not rosters.is_full(context, account)
    if not has_room or not issuing.use_for_subscription(context, account, handed.invite):
        return False
    _write_state(context, account, contact, state, state & ~IN | FROM | (0 if state & TO else OUT))
    _reply(context, handed, _SUBSCRIBED)
    presence.send_to_contact(context, account, contact)
    if not state & TO:
        own = context.bare_jid(account.localpart)
        stanza = f"<presence from='{quoted(own)}' to='{quoted(contact)}' type='subscribe'/>".encode()
        contacts.hand_subscription(context, contact, _SUBSCRIBE, own, stanza)
    return True


def _write_state(
    context: Context, account: Account, contact: str, state: int, new_state: int, stanza: bytes = b""
) -> None:
    """Write what changed, and push the roster item if that is among it."""
    key = (account.account_id, contact)
    if new_state & IN and not state & IN:
        context.requests.put(key, Request(account.account_id, contact, stanza))
    elif state & IN and not new_state & IN:
        context.requests.delete(key)
    if (state ^ new_state) & ~IN:
        entry = context.roster.get(key)
        if entry is None:
            entry = RosterEntry(account.account_id, contact, "", 0, 0, rosters.NO_GROUPS, 0, 0)
        entry = entry._replace(
            subscription=new_state & (TO | FROM),
            ask=1 if new_state & OUT else 0,
            approved=1 if new_state & APPROVED else 0,
        )
        context.roster.put(key, entry)
        if state & FROM and not new_state & FROM:
            subscribers.cancel_lost(context, account, contact=contact)
        rosters.push(context, account, rosters.item_of(entry))


def _deliver(context: Context, account: Account, contact: str, handed: SubscriptionHandedOver) -> None:
    """
    Show the stanza to the account's sessions.

    A request goes to those that are available, all else to those that asked for the roster (sections 3.1.3, 3.1.6,
    3.2.3, 3.3.3).
    """
    for session in context.session_index.of(account.account_id):
        if handed.kind == _SUBSCRIBE:
            shown = context.presences.get(session.session_id) is not None
        else:
            shown = bool(session.interested)
        if not shown:
            continue
        if handed.stanza is not None:
            context.events.append(PresenceArrived(session.node_id, session.session_id, handed.stanza))
        else:
            to_jid = context.bare_jid(account.localpart)
            kind = handed.kind.name.lower()
            context.events.append(SubscriptionChanged(session.node_id, session.session_id, kind, contact, to_jid))


def _reply(context: Context, handed: SubscriptionHandedOver, kind: SubscriptionKind) -> None:
    """The server answers for the account, which may not exist."""
    contacts.hand_subscription(context, handed.from_jid, kind, context.bare_jid(handed.to_localpart), None)


def _has_too_many_requests(context: Context, account: Account) -> bool:
    sql = "SELECT count(*) FROM request WHERE account_id = ?"
    (count,) = context.rows.select((context.requests,), sql, (account.account_id,))[0]
    return bool(count >= SUBSCRIPTION_REQUEST_COUNT_MAX)
