"""
What a command may see and touch while it runs: the tables, the outbox, its place and time in the log.

One object serves all commands of a machine. Besides the tables it holds what is derived from them and kept in memory
(`SessionIndex`, `Inboxes`, `OfflineCounts`); when a command is undone these are dropped and read anew on demand.
"""

from __future__ import annotations

from typing import Final

import apsw

from raftline.base.ids import AccountId, Position
from raftline.machine import schema
from raftline.machine.business.directory import BusinessState
from raftline.machine.business.group_index import RoomNumbers
from raftline.machine.components.tables import COMPONENT, Component
from raftline.machine.conversations.tables import READ_MARK, ReadMark
from raftline.machine.derived import Blocklists, Inboxes, OfflineCounts, SessionIndex
from raftline.machine.history import tables as history
from raftline.machine.history.preference_index import PreferenceIndex
from raftline.machine.history.search_index import SearchIndex
from raftline.machine.invites.tables import INVITE, Invite
from raftline.machine.login.tables import LOGIN_TOKEN, LoginToken
from raftline.machine.media.state import MediaState
from raftline.machine.outbox import Handover
from raftline.machine.outcomes import Event
from raftline.machine.pins.tables import PIN, Pin
from raftline.machine.polls.state import PollState
from raftline.machine.pubsub.state import PubsubState
from raftline.machine.push.state import PushState
from raftline.machine.records import (
    Account,
    Address,
    Archived,
    Blocked,
    Counter,
    Departure,
    Doomed,
    EndedSession,
    FormerEpoch,
    Invitation,
    KeptOutcome,
    KeptRequest,
    LeftResource,
    Node,
    NodeProfile,
    OriginSeen,
    Owed,
    Presence,
    PrivateData,
    Progress,
    RemovedContact,
    Request,
    Resumption,
    RosterEntry,
    Session,
    StoredCredential,
    StoredMessage,
    Vcard,
    Waiting,
)
from raftline.machine.retention.tables import KEPT_DOOMED, RETENTION_RULE, KeptDoomed, RetentionRule
from raftline.machine.rooms import tables as rooms_tables
from raftline.machine.rooms.alert_tables import ALERT_ROUND, AlertRound
from raftline.machine.rooms.door_state import DoorState
from raftline.machine.rooms.index import Occupants, Visits
from raftline.machine.rooms.watchers import Watchers
from raftline.machine.rows import RowStore
from raftline.machine.timers.tables import MESSAGE_TIMER, MessageTimer
from raftline.machine.versions import FIRST_VERSION
from raftline.machine.view_once.state import SealedState

ROOMS_LABEL: Final = "conference"
"""Rooms live at the domain under this label."""


class Context:
    """
    The state, and the command that runs.

    Attributes:
        position: Of the command.
        time_ms: Cluster time of its entry.
        machine_version: Behaviour that all members have agreed on; see versions.py.
        events: What sessions are told, in the order of causes.
        outbox: What other entities are told, drained first in, first out.
        message_holders: Rows of this command that refer to its message; the message itself is stored at the end of
            the command if there are any, so that it is written once.
    """

    __slots__ = (
        "accounts",
        "addresses",
        "alert_rounds",
        "archive",
        "archive_preferences",
        "blocked",
        "blocklists",
        "business",
        "components",
        "counters",
        "credentials",
        "departures",
        "domain",
        "doomed",
        "doors",
        "ended_sessions",
        "events",
        "former_epochs",
        "idempotency",
        "inbox",
        "inboxes",
        "invitations",
        "invites",
        "kept_doomed",
        "kept_requests",
        "left_resources",
        "login_tokens",
        "machine_version",
        "media",
        "message_holders",
        "message_timers",
        "messages",
        "node_profiles",
        "nodes",
        "occupants",
        "offline",
        "offline_counts",
        "origins",
        "outbox",
        "pins",
        "polls",
        "position",
        "presences",
        "private",
        "progress",
        "pubsub",
        "push",
        "read_marks",
        "removed_contacts",
        "reports",
        "requests",
        "resumptions",
        "retention",
        "room_affiliations",
        "room_departures",
        "room_list_changes",
        "room_numbers",
        "room_vcards",
        "rooms",
        "rooms_domain",
        "roster",
        "rows",
        "sealed",
        "search",
        "session_index",
        "sessions",
        "time_ms",
        "vcards",
        "visits",
        "watchers",
    )

    def __init__(self, database: apsw.Connection, domain: str) -> None:
        rows = RowStore(database)
        self.domain: Final = domain
        self.rooms_domain: Final = f"{ROOMS_LABEL}.{domain}"
        self.rows: Final = rows
        self.counters: Final = rows.table(schema.COUNTER, Counter._make)
        self.accounts: Final = rows.table(schema.ACCOUNT, Account._make)
        self.credentials: Final = rows.table(schema.CREDENTIAL, StoredCredential._make)
        self.addresses: Final = rows.table(schema.ADDRESS, Address._make)
        self.nodes: Final = rows.table(schema.NODE, Node._make)
        self.sessions: Final = rows.table(schema.SESSION, Session._make)
        self.progress: Final = rows.table(schema.PROGRESS, Progress._make)
        self.presences: Final = rows.table(schema.PRESENCE, Presence._make)
        self.roster: Final = rows.table(schema.ROSTER, RosterEntry._make)
        self.requests: Final = rows.table(schema.REQUEST, Request._make)
        self.messages: Final = rows.table(schema.MESSAGE, StoredMessage._make)
        self.search: Final = SearchIndex(rows, self.messages)
        self.archive: Final = rows.table(schema.ARCHIVE, Archived._make)
        self.message_timers: Final = rows.table(MESSAGE_TIMER, MessageTimer._make)
        self.inbox: Final = rows.table(schema.INBOX, Owed._make)
        self.offline: Final = rows.table(schema.OFFLINE, Waiting._make)
        self.idempotency: Final = rows.table(schema.IDEMPOTENCY, KeptOutcome._make)
        self.origins: Final = rows.table(schema.ORIGIN, OriginSeen._make)
        self.doomed: Final = rows.table(schema.DOOMED, Doomed._make)
        self.resumptions: Final = rows.table(schema.RESUMPTION, Resumption._make)
        self.ended_sessions: Final = rows.table(schema.ENDED_SESSION, EndedSession._make)
        self.left_resources: Final = rows.table(schema.LEFT_RESOURCE, LeftResource._make)
        self.kept_requests: Final = rows.table(schema.KEPT_REQUEST, KeptRequest._make)
        self.blocked: Final = rows.table(schema.BLOCKED, Blocked._make)
        self.private: Final = rows.table(schema.PRIVATE, PrivateData._make)
        self.vcards: Final = rows.table(schema.VCARD, Vcard._make)
        self.departures: Final = rows.table(schema.DEPARTURE, Departure._make)
        self.removed_contacts: Final = rows.table(schema.REMOVED_CONTACT, RemovedContact._make)
        self.node_profiles: Final = rows.table(schema.NODE_PROFILE, NodeProfile._make)
        self.invitations: Final = rows.table(schema.INVITATION, Invitation._make)
        self.former_epochs: Final = rows.table(schema.FORMER_EPOCH, FormerEpoch._make)
        self.invites: Final = rows.table(INVITE, Invite._make)
        self.login_tokens: Final = rows.table(LOGIN_TOKEN, LoginToken._make)
        self.reports: Final = rows.table(history.REPORT, history.ReportRow._make)
        self.archive_preferences: Final = PreferenceIndex(rows)
        self.pubsub: Final = PubsubState(rows)
        self.media: Final = MediaState(rows)
        self.retention: Final = rows.table(RETENTION_RULE, RetentionRule._make)
        self.kept_doomed: Final = rows.table(KEPT_DOOMED, KeptDoomed._make)
        self.read_marks: Final = rows.table(READ_MARK, ReadMark._make)
        self.pins: Final = rows.table(PIN, Pin._make)
        self.polls: Final = PollState(rows)
        self.sealed: Final = SealedState(rows)
        self.push: Final = PushState(rows)
        self.business: Final = BusinessState(rows)
        self.rooms: Final = rows.table(rooms_tables.ROOM, rooms_tables.Room._make)
        self.room_affiliations: Final = rows.table(rooms_tables.ROOM_AFFILIATION, rooms_tables.RoomAffiliation._make)
        self.room_departures: Final = rows.table(rooms_tables.ROOM_DEPARTURE, rooms_tables.RoomDeparture._make)
        self.room_list_changes: Final = rows.table(rooms_tables.ROOM_LIST_CHANGE, rooms_tables.RoomListChange._make)
        self.room_vcards: Final = rows.table(rooms_tables.ROOM_VCARD, rooms_tables.RoomVcard._make)
        self.alert_rounds: Final = rows.table(ALERT_ROUND, AlertRound._make)
        self.doors: Final = DoorState(rows)
        self.components: Final = rows.table(COMPONENT, Component._make)
        occupants = rows.table(rooms_tables.OCCUPANT, rooms_tables.Occupant._make)
        self.occupants: Final = Occupants(rows, occupants, self.sessions)
        self.visits: Final = Visits(rows, rows.table(rooms_tables.VISIT, rooms_tables.Visit._make))
        self.watchers, self.room_numbers = Watchers(self), RoomNumbers(self)
        self.blocklists: Final = Blocklists(rows, self.blocked)
        self.session_index: Final = SessionIndex(rows, self.sessions, self.presences)
        self.inboxes: Final = Inboxes(rows, self.inbox)
        self.offline_counts: Final = OfflineCounts(rows, self.offline)
        self.position, self.time_ms, self.machine_version = Position(0), 0, FIRST_VERSION
        self.events: list[Event] = []
        self.outbox: list[Handover] = []
        self.message_holders = 0

    def bare_jid(self, localpart: str) -> str:
        """Return the bare JID of an account of this domain."""
        return f"{localpart}@{self.domain}"

    def account_named(self, jid: str) -> str | None:
        """Return the localpart of a bare JID of this domain; None for any other JID."""
        localpart, _, domain = jid.rpartition("@")
        return localpart if localpart and domain == self.domain else None

    def component_at(self, jid: str) -> Component | None:
        """Return the component that a bare JID is at; None for any other, and as long as it was never connected."""
        label, _, rest = jid.rpartition("@")[2].partition(".")
        return self.components.get(label) if rest == self.domain else None

    def blocks(self, owner: Account | Session, jid: str) -> bool:
        """
        Tell whether an account has blocked an address, which is a full or a bare JID.

        Nobody blocks themselves, even if the whole domain is on the list.
        """
        return self.blocklists.match(owner.account_id, jid) and jid.partition("/")[0] != self.bare_jid(owner.localpart)

    def next_number(self, name: str) -> int:
        """Give out the next number under a name, from 1."""
        row = self.counters.get(name)
        value = 1 if row is None else row.value + 1
        self.counters.put(name, Counter(name, value))
        return value

    def new_owner_id(self) -> AccountId:
        """Give out the id of an account or a room: they own archives alike, so they share one row of numbers."""
        return AccountId(self.next_number("account"))

    def address_id(self, jid: str) -> int:
        """Return the number that stands for a bare JID in archives, giving one out if need be."""
        row = self.addresses.get(jid)
        if row is not None:
            return row.address_id
        number = self.next_number("address")
        self.addresses.insert(jid, Address(jid, number))
        return number

    def take_back(self, mark: int) -> None:
        """Undo what the command did since the journal had this length; nobody hears of what it did before."""
        self.rows.undo_to(mark)
        self.drop_derived()
        self.outbox.clear()
        self.events.clear()
        self.message_holders = 0

    def drop_derived(self) -> None:
        """Forget what is derived from rows."""
        self.archive_preferences.drop()
        self.pubsub.drop_derived()
        self.push.drop_derived()
        self.business.drop_derived()
        self.blocklists.drop()
        self.session_index.drop()
        self.inboxes.drop()
        self.offline_counts.drop()
        self.occupants.drop()
        self.visits.drop()
        self.watchers.drop()
        self.room_numbers.drop()

    def trim(self) -> None:
        """Give memory back where caches have grown too large; all rows must be flushed."""
        self.rows.trim_caches()
        self.archive_preferences.trim()
        self.pubsub.trim()
        self.push.trim()
        self.business.trim()
        self.blocklists.trim()
        self.session_index.trim()
        self.inboxes.trim()
        self.offline_counts.trim()
        self.occupants.trim()
        self.visits.trim()
        self.watchers.trim()
        self.room_numbers.trim()
