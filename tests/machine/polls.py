"""People who ask and choose, for the tests of machine/polls."""

from __future__ import annotations

from typing import Any

from machine.rooms import ROOM, events_for
from machine.world import DOMAIN, Client, World
from raftline.base.ids import Position
from raftline.machine.commands import CarryOutDue
from raftline.machine.message_commands import SendPoll, Storage
from raftline.machine.outcomes import CommandResult, Done, Rejected
from raftline.machine.polls.commands import AskInRoom, Choose, ClosePoll
from raftline.machine.polls.events import PollTold, Tally, TallyPage
from raftline.machine.polls.queries import PollsOf
from raftline.machine.polls.terms import PollTerms, QuestionKind

MARK = "<poll xmlns='urn:raftline:polls:0'/>"
OPTIONS = ("pizza", "sushi", "soup")
KEPT = int(Storage.ARCHIVE | Storage.OFFLINE)


def terms(**changes: Any) -> PollTerms:
    """What is asked: one of three, unless told otherwise."""
    fields: dict[str, Any] = {"kind": QuestionKind.POLL, "title": "lunch", "options": OPTIONS, "message_id": "m1"}
    return PollTerms(**{**fields, **changes})


def asked(client: Client, *, room: str = ROOM, extra: dict[str, Any] | None = None, **changes: Any) -> CommandResult:
    """Ask in the room."""
    stanza = f"<message type='groupchat' id='m1'><body>Poll: lunch</body>{MARK}</message>".encode()
    fields: dict[str, Any] = {"is_subject": False, "kept": True, "origin_id": "", "fingerprint": b"", **(extra or {})}
    return client.do(AskInRoom(room, stanza, **fields, poll=terms(**changes)))


def ask(client: Client, **changes: Any) -> Position:
    """Ask in the room; the question's name."""
    result = asked(client, **changes)
    assert result.outcome == Done()
    return result.position


def asked_in_chat(
    client: Client, to: str, *, timer_s: int = 0, extra: dict[str, Any] | None = None, **changes: Any
) -> CommandResult:
    """Ask a contact."""
    stanza = f"<message from='{client.full_jid}' to='{to}@{DOMAIN}' id='m1'><body>Poll</body>{MARK}</message>".encode()
    message = client.message(to, stanza=stanza, storage=KEPT, **(extra or {}))
    fields = {name: getattr(message, name) for name in message.__struct_fields__}
    return client.do(SendPoll(**fields, poll=terms(**changes), timer_s=timer_s))


def ask_in_chat(client: Client, to: str, **changes: Any) -> Position:
    """Ask a contact; the question's name."""
    result = asked_in_chat(client, to, **changes)
    assert result.outcome == Done()
    return result.position


def choose(
    client: Client, position: Position, *options: int, room: str = ROOM, kind: QuestionKind = QuestionKind.POLL
) -> CommandResult:
    """Choose options, or none."""
    return client.do(Choose(room, position, options, kind))


def close(
    client: Client, position: Position, *, room: str = ROOM, kind: QuestionKind = QuestionKind.POLL
) -> CommandResult:
    """End a question."""
    return client.do(ClosePoll(room, position, kind))


def answer(client: Client, **fields: Any) -> TallyPage | Rejected:
    """Ask the replica about questions; in the room unless a contact is named."""
    kind = fields.pop("kind", QuestionKind.POLL)
    if "partner" not in fields:
        fields.setdefault("room", ROOM)
    found = client.world.machine.answer(PollsOf(client.session_id, int(kind), **fields))
    assert isinstance(found, TallyPage | Rejected)
    return found


def tally(client: Client, position: Position, **fields: Any) -> Tally:
    """How a question stands."""
    page = answer(client, position=position, **fields)
    assert isinstance(page, TallyPage), page
    [found] = page.tallies
    return found


def pass_time(world: World, seconds: float) -> CommandResult:
    """Let time pass, and what is due happen."""
    world.time_ms += round(1000 * seconds)
    return world.do(CarryOutDue())


def told(result: CommandResult, client: Client) -> list[tuple[int, ...]]:
    """Counts that a session is told by a command."""
    return [event.tally.counts for event in events_for(result, client, PollTold)]
