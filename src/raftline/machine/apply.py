"""
One command: admitted, carried out, its outbox drained, its message stored; or undone and refused.

Whatever goes wrong in the code of a command goes wrong on every node alike, so it is a refusal like any other. What
goes wrong with the disk or the memory of this node is this node's own: it is raised, and the node stops, because going
on would make it differ from the others.

A session's command counts as done even if it is undone: else all that follow it in its session would have no
predecessor, and one bad command would end the session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from raftline.base.ids import NodeId, Position
from raftline.machine import (
    accounts,
    blocking,
    carbons,
    idempotency,
    invitations,
    kept_requests,
    messages,
    nodes,
    presence,
    private_storage,
    refounding,
    resumption,
    rosters,
    sessions,
    subscriptions,
    vcards,
    versions,
)
from raftline.machine.business.commands import SendFromNumber
from raftline.machine.business.group_events import GROUP_RECEIVERS
from raftline.machine.business.groups import GROUP_HANDLERS
from raftline.machine.business.handlers import BUSINESS_HANDLERS
from raftline.machine.business.sending import store_message as store_business_message
from raftline.machine.commands import (
    SINCE_VERSION,
    ActForAccount,
    BindSession,
    CarryOutDue,
    ChangeBlocklist,
    ChangeSubscription,
    Command,
    CreateAccount,
    DeclareBlocklistInterest,
    DeclareInterest,
    DeleteAccount,
    DetachSession,
    EnableManagement,
    EndSession,
    EndSessions,
    KeyOrigin,
    MarkSessions,
    RemoveRosterItem,
    ResumeSession,
    SessionOrigin,
    SetCarbons,
    SetCredentials,
    SetPresence,
    SetRosterItem,
    SetVcard,
    StorePrivate,
    decode_command,
)
from raftline.machine.components import handlers as components
from raftline.machine.components.commands import SendFromComponent, SendToComponent
from raftline.machine.components.messages import store_message as store_component_message
from raftline.machine.context import Context
from raftline.machine.history import preferences, reports
from raftline.machine.history.commands import CloseReport, SetArchivePreferences
from raftline.machine.invites.handlers import INVITE_HANDLERS, INVITE_RECEIVERS, INVITE_SESSION_HANDLERS
from raftline.machine.login.commands import LogIn
from raftline.machine.login.log_in import log_in
from raftline.machine.media import descriptions, uploads
from raftline.machine.media.commands import DescribeFile, RequestUploadSlot, StoreUpload
from raftline.machine.message_commands import SendEphemeral, SendMessage, SendPoll, SendSealed
from raftline.machine.node_commands import (
    BuryNode,
    EndFormerCluster,
    ForgetNode,
    InviteNode,
    RaiseVersion,
    RedeemInvitation,
    StartNode,
)
from raftline.machine.outbox import (
    MessageHandedOver,
    MessageReturned,
    PresenceAnswered,
    PresenceHandedOver,
    PresenceProbed,
    SessionOverdue,
    SubscriptionHandedOver,
)
from raftline.machine.outcomes import CommandResult, Done, Outcome, Rejected
from raftline.machine.pins.commands import PinMessage
from raftline.machine.pins.pinning import pin_message
from raftline.machine.polls import asking
from raftline.machine.polls.handlers import POLL_HANDLERS
from raftline.machine.portability.importing import act_for_account
from raftline.machine.pubsub import handlers as pubsub
from raftline.machine.push.handlers import PUSH_HANDLERS, PUSH_SESSION_HANDLERS
from raftline.machine.records import Session
from raftline.machine.retention.commands import SetRetention
from raftline.machine.retention.rules import set_retention
from raftline.machine.rooms.handlers import ROOM_HANDLERS, ROOM_RECEIVERS
from raftline.machine.timers import ephemeral
from raftline.machine.timers.due import carry_out_due
from raftline.machine.view_once import opening, sealing
from raftline.machine.view_once.commands import OpenSealed, SealInRoom

INTERNAL_ERROR: Final = Rejected("internal-server-error", "cancel")
"""Outcome of a command that met a fault in the code."""

_UNREADABLE: Final = Rejected("bad-request", "cancel", "The command cannot be read.")
_SESSION_NEEDED: Final = Rejected("bad-request", "modify", "The command has to come from a session.")

_DETERMINISTIC: Final = (
    apsw.BindingsError,
    apsw.ConstraintError,
    apsw.MismatchError,
    apsw.RangeError,
    apsw.SQLError,
    apsw.TooBigError,
)
"""Errors of SQLite that a statement and the rows decide, the same on every node."""


class Fault(NamedTuple):
    """A fault in the code of a command, for the log of the node; `position` names the command."""

    position: Position
    error: Exception


class AppliedCommand(NamedTuple):
    """A command's result, what the entry chain needs of it, and its part of the state hash."""

    result: CommandResult
    salt: bytes
    journal: bytes


class CommandRunner:
    """Runs commands on a context. `faults` collects what has to be looked at by people."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.faults: list[Fault] = []

    def run(self, position: Position, data: bytes) -> AppliedCommand:
        """
        Run an encoded command.

        Raises:
            apsw.Error, MemoryError: The node cannot go on.
        """
        context = self._context
        context.position = position
        journal = context.rows.journal
        assert not journal
        context.events = []
        try:
            command = decode_command(data)
            if SINCE_VERSION.get(type(command.action), 0) > context.machine_version:
                raise msgspec.ValidationError("of a later version")
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            result = CommandResult(NodeId(0), 0, 0, position, _UNREADABLE, [])
            return AppliedCommand(result, b"", idempotency.encode_outcome(_UNREADABLE))
        outcome = self._guard(position, lambda: self._admit_and_perform(command))
        if outcome is None:
            outcome = INTERNAL_ERROR
        encoded = context.rows.encode_journal()
        journal.clear()
        if type(outcome) is not Done:
            encoded += idempotency.encode_outcome(outcome)
        result = CommandResult(command.node_id, command.incarnation, command.ticket, position, outcome, context.events)
        return AppliedCommand(result, command.salt, encoded)

    def run_step(self, position: Position, step: Callable[[], None]) -> bytes:
        """Run a step that belongs to an entry as a whole; return its part of the state hash."""
        context = self._context
        context.position = position
        context.events = []
        self._guard(position, step)
        encoded = context.rows.encode_journal()
        context.rows.journal.clear()
        return encoded

    def _admit_and_perform(self, command: Command) -> Outcome:
        """Check that the command did not happen before, and carry it out."""
        context = self._context
        origin = command.origin
        if type(origin) is SessionOrigin:
            admitted = sessions.admit(context, origin)
            if type(admitted) is not Session:
                return admitted  # type: ignore[return-value]  # mypy does not narrow by `type(...) is`
            session: Session | None = admitted
        elif type(origin) is KeyOrigin:
            kept = idempotency.kept_outcome(context, origin)
            if kept is not None:
                return kept
            session = None
        else:
            session = None
        outcome: Outcome | None = self._guard(context.position, lambda: self._perform(command, session))
        if outcome is None:  # not by truth: an outcome without fields is an empty tuple
            outcome = INTERNAL_ERROR
        if type(origin) is KeyOrigin:
            idempotency.keep_outcome(context, origin, outcome)
        elif type(origin) is SessionOrigin and origin.requests:
            kept_requests.keep_outcome(context, origin, outcome)
        return outcome

    def _perform(self, command: Command, session: Session | None) -> Outcome:
        """Carry a command out, then what it makes other entities do."""
        context = self._context
        action = command.action
        handler = _SESSION_HANDLERS.get(type(action))
        if handler is not None:
            if session is None:
                return _SESSION_NEEDED
            outcome = handler(context, session, action)
        else:
            outcome = _HANDLERS[type(action)](context, action)
        outbox = context.outbox
        if outbox:
            for handed in outbox:  # grows while it is drained
                _RECEIVERS[type(handed)](context, handed)
            outbox.clear()
        if context.message_holders:
            if isinstance(action, SendFromNumber):
                store_business_message(context, action)
                context.message_holders = 0
                return outcome
            assert session is not None
            if isinstance(action, SendMessage):
                messages.store_message(context, session, action)
                stored = _WHEN_STORED.get(type(action))
                if stored is not None:
                    stored(context, session, action)
            else:
                assert isinstance(action, SendToComponent | SendFromComponent)
                store_component_message(context, session, action)
                if action.timer_s:
                    ephemeral.begin(context, action.timer_s)
            context.message_holders = 0
        return outcome

    def _guard(self, position: Position, step: Callable[[], Any]) -> Any:
        """Run a step; undo it and return None if it meets a fault."""
        context = self._context
        mark = len(context.rows.journal)
        try:
            return step()
        except apsw.Error as error:
            if not isinstance(error, _DETERMINISTIC):
                raise
            self.faults.append(Fault(position, error))
        except (MemoryError, versions.VersionNotUnderstood):
            raise
        except Exception as error:  # noqa: BLE001 - see the head of this module
            self.faults.append(Fault(position, error))
        context.take_back(mark)
        return None


_HANDLERS: Final[Mapping[type, Callable[[Context, Any], Outcome]]] = MappingProxyType(
    {
        CreateAccount: accounts.create_account,
        SetCredentials: accounts.set_credentials,
        DeleteAccount: accounts.delete_account,
        StartNode: nodes.start_node,
        BuryNode: nodes.bury_node,
        InviteNode: invitations.invite_node,
        RedeemInvitation: invitations.redeem_invitation,
        ForgetNode: invitations.forget_node,
        RaiseVersion: versions.raise_version,
        EndFormerCluster: refounding.end_former_cluster,
        BindSession: sessions.bind_session,
        EndSession: sessions.end_session_command,
        EndSessions: sessions.end_sessions,
        EnableManagement: sessions.enable_management,
        MarkSessions: sessions.mark_sessions,
        DetachSession: resumption.detach_session,
        ResumeSession: resumption.resume_session,
        CarryOutDue: carry_out_due,
        CloseReport: reports.close_report,
        LogIn: log_in,
        **components.HANDLERS,
        StoreUpload: uploads.store_upload,
        DescribeFile: descriptions.describe_file,
        ActForAccount: act_for_account,
        **BUSINESS_HANDLERS,
        **GROUP_HANDLERS,
        SetRetention: set_retention,
        **INVITE_HANDLERS,
        **PUSH_HANDLERS,
    }
)
"""What needs no session."""

_SESSION_HANDLERS: Final[Mapping[type, Callable[[Context, Session, Any], Outcome]]] = MappingProxyType(
    {
        SetPresence: presence.set_presence,
        ChangeSubscription: subscriptions.change_subscription,
        SetRosterItem: rosters.set_roster_item,
        RemoveRosterItem: rosters.remove_roster_item,
        DeclareInterest: rosters.declare_interest,
        SendMessage: messages.send_message,
        SendEphemeral: messages.send_message,
        SetCarbons: carbons.set_carbons,
        ChangeBlocklist: blocking.change_blocklist,
        DeclareBlocklistInterest: blocking.declare_blocklist_interest,
        StorePrivate: private_storage.store_private,
        SetVcard: vcards.set_vcard,
        SetArchivePreferences: preferences.set_preferences,
        **pubsub.SESSION_HANDLERS,
        **components.SESSION_HANDLERS,
        **ROOM_HANDLERS,
        RequestUploadSlot: uploads.request_slot,
        **PUSH_SESSION_HANDLERS,
        **INVITE_SESSION_HANDLERS,
        **POLL_HANDLERS,
        PinMessage: pin_message,
        SendSealed: sealing.seal_in_chat,
        SealInRoom: sealing.seal_in_room,
        OpenSealed: opening.open_sealed,
    }
)
"""What a session does."""

_WHEN_STORED: Final[Mapping[type, Callable[[Context, Session, Any], None]]] = MappingProxyType(
    {
        SendEphemeral: lambda context, _session, action: ephemeral.begin(context, action.timer_s),
        SendPoll: asking.message_stored,
        SendSealed: sealing.message_stored,
    }
)
"""What a message of a kind of its own brings, once it is known that a side keeps it."""

_RECEIVERS: Final[Mapping[type, Callable[[Context, Any], None]]] = MappingProxyType(
    {
        MessageHandedOver: messages.receive_message,
        MessageReturned: messages.return_message,
        PresenceHandedOver: presence.receive_presence,
        PresenceProbed: presence.answer_probe,
        PresenceAnswered: presence.receive_answer,
        SubscriptionHandedOver: subscriptions.receive_subscription,
        SessionOverdue: resumption.end_overdue,
        **pubsub.RECEIVERS,
        **components.RECEIVERS,
        **ROOM_RECEIVERS,
        **INVITE_RECEIVERS,
        **GROUP_RECEIVERS,
    }
)
