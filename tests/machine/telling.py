"""How stories of the state machine write commands, and how they tell what came of them."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from machine.world import START_MS, credential
from raft.simulation.telling import read_payload, show_payload
from raftline.base.ids import NodeId, SessionId
from raftline.machine.commands import (
    Action,
    BindSession,
    CarryOutDue,
    Command,
    CreateAccount,
    DeleteAccount,
    DetachSession,
    EnableManagement,
    KeyOrigin,
    ResumeSession,
    SessionOrigin,
    SetPresence,
    SetVcard,
    encode_command,
)
from raftline.machine.machine import Machine
from raftline.machine.message_commands import MessageKind, SendMessage, Storage
from raftline.machine.outcomes import (
    Bound,
    CommandResult,
    Done,
    Event,
    MessageArrived,
    Outcome,
    Rejected,
    Resumed,
    SessionEnded,
)
from raftline.machine.queries import ArchivePage, ListAccounts, SessionsOf

TOKEN = b"t" * 16
KEPT = int(Storage.ARCHIVE | Storage.OFFLINE)


class Writer:
    """Makes commands of words. Sessions are named by their ids, and are what they were when they were bound."""

    def __init__(self) -> None:
        self._ticket = 0
        self._numbers: dict[int, int] = {}

    def write(self, words: list[str]) -> bytes:
        """Encode one command, with a ticket and a salt of its own, also where it repeats another."""
        options = dict(word.split("=") for word in words if "=" in word)
        name, *rest = [word for word in words if "=" not in word]
        if name == "junk":
            return b"junk"
        self._ticket += 1
        node_id = NodeId(int(options.get("node", 1)))
        action = self._action(name, rest, options, node_id)
        origin: KeyOrigin | SessionOrigin | None = None
        if "key" in options:
            origin = KeyOrigin(options["key"].encode().ljust(16, b"-"))
        elif name in {"send", "present", "vcard"}:
            origin = self._origin(int(rest[0]), options)
        return encode_command(Command(node_id, 1, self._ticket, self._ticket.to_bytes(16, "big"), origin, action))

    def _origin(self, session_id: int, options: dict[str, str]) -> SessionOrigin:
        last = self._numbers.get(session_id, 0)
        number = int(options.get("number", last + 1))
        previous = int(options.get("previous", number - 1))
        self._numbers[session_id] = max(last, number)
        return SessionOrigin(SessionId(session_id), int(options.get("epoch", 1)), number, previous)

    def _action(self, name: str, words: list[str], options: dict[str, str], node_id: NodeId) -> Action:
        match name, words:
            case "create", [localpart]:
                return CreateAccount(localpart, (credential(localpart),))
            case "delete", [localpart]:
                return DeleteAccount(localpart)
            case "bind", [localpart, resource]:
                return BindSession(localpart, resource, node_id, 1)
            case "manage", [session, seconds]:
                return EnableManagement(SessionId(int(session)), 1, 0, TOKEN, int(seconds))
            case "detach", [session]:
                return DetachSession(SessionId(int(session)), int(options.get("epoch", 1)))
            case "resume", [session, localpart]:
                return ResumeSession(localpart, SessionId(int(session)), TOKEN, node_id, 1)
            case "expire", []:
                return CarryOutDue()
            case "present", [session]:
                return SetPresence(b"<presence from='%s'/>" % session.encode(), 0)
            case "vcard", [_, content]:
                return SetVcard(read_payload(content))
            case "send", [_, to, body]:
                return SendMessage(to, None, MessageKind.CHAT, KEPT, read_payload(body), options.get("id", ""), b"")
        raise AssertionError(f"no command of a log: {name} {words}")


def show_result(result: CommandResult) -> str:
    """Tell an outcome, and which sessions get what."""
    return ", ".join([show_outcome(result.outcome), *map(_show_event, result.events)])


def show_outcome(outcome: Outcome) -> str:
    """Tell an outcome."""
    match outcome:
        case Done(Bound(session_id, epoch)):
            return f"done: session {session_id} epoch {epoch}"
        case Done(Resumed() as resumed):
            return f"done: session {resumed.session_id} epoch {resumed.epoch} up to number {resumed.number}"
        case Done(None):
            return "done"
        case Done(result):
            return f"done: {type(result).__name__.lower()}"
        case Rejected():
            return f"rejected: {outcome.condition}"
        case _:
            return type(outcome).__name__.lower()


def _show_event(event: Event) -> str:
    match event:
        case MessageArrived():
            return f"session {event.session_id} gets {show_payload(event.stanza)}"
        case SessionEnded():
            return f"session {event.session_id} ends{f' ({event.reason})' if event.reason else ''}"
        case _:
            return f"session {event.session_id}: {type(event).__name__}"


def show_answer(machine: Machine, words: list[str]) -> str:
    """Answer `accounts`, `sessions alice` or `archive bob`; times are those after the first clock's beginning."""
    answer: Any
    match words:
        case ["accounts"]:
            answer = machine.answer(ListAccounts())
            return _joined([row.localpart for row in answer])
        case ["sessions", localpart]:
            answer = machine.answer(SessionsOf(localpart))
            return _joined([f"{row.session_id} ({row.resource})" for row in answer])
        case ["archive", localpart]:
            answer = machine.answer(ArchivePage(localpart))
            return _joined([f"{show_payload(row.stanza)} at {row.time_ms - START_MS} ms" for row in answer.rows])
    raise AssertionError(f"no question: {words}")


def _joined(words: list[str]) -> str:
    return ", ".join(words) or "nothing"


def show_ranges(lines: list[tuple[int, str]]) -> list[str]:
    """Tell the same of several entries, one after the other, in one line."""
    told = []
    for text, group in groupby(lines, key=lambda line: line[1]):
        indices = [index for index, _ in group]
        span = f"{indices[0]}" if len(indices) == 1 else f"{indices[0]}-{indices[-1]}"
        told.append(f"{span}: {text}")
    return told
