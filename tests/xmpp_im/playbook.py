"""
A playbook: a handler, the effects it must yield in order, and the answers it gets.

    book = Playbook()
    result = book.play(handle_get(book.context, stanza("<iq …/>")), (Ask(RosterOf("alice")), Roster(1, [])))

`play` fails on an effect that is not the next of the script and on a script that is not played to its end.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from typing import Any

from raftline.base.errors import Refused
from raftline.base.ids import Epochs
from raftline.machine.queries import SessionRow
from raftline.xmpp.effects import Effect, Steps
from raftline.xmpp.jid import JID, parse_jid
from raftline.xmpp.module import Modules, StanzaHandler
from raftline.xmpp.stanza import Stanza, parse_stanza

DOMAIN = "example.org"
EPOCH = 7


class FakeContext:
    """A bound stream of alice's phone that remembers what it was asked to send."""

    def __init__(self, jid: str = f"alice@{DOMAIN}/phone", modules: Modules | None = None) -> None:
        self.jid: JID = parse_jid(jid)
        self.domain = DOMAIN
        self.epochs = Epochs(EPOCH)
        self.modules = modules or Modules()
        self.command_sessions: dict[str, str] = {}
        self.questions: dict[str, StanzaHandler] = {}
        self.directed_presence: set[str] = set()
        self.sent: list[bytes] = []
        self._id_count = 0

    def send(self, stanza: bytes) -> None:
        self.sent.append(stanza)

    def new_id(self) -> str:
        self._id_count += 1
        return f"s{self._id_count}"


class Playbook:
    """Runs handlers against a script."""

    def __init__(self, context: FakeContext | None = None) -> None:
        self.context = context or FakeContext()

    @property
    def sent(self) -> list[bytes]:
        """What was sent to the client."""
        return self.context.sent

    def play(self, steps: Steps, *script: tuple[Effect, Any]) -> Any:
        """Run to the end; each effect must be the next one of the script. Returns the handler's result."""
        expected = list(script)

        def answer(effect: Effect) -> Any:
            assert expected, f"an effect too many: {effect}"
            wanted, given = expected.pop(0)
            assert effect == wanted
            return given

        result = self.drive(steps, answer)
        assert not expected, f"never asked for: {expected}"
        return result

    def drive(self, steps: Steps, answer: Callable[[Effect], Any]) -> Any:
        """Run to the end with answers by a function. Returns the handler's result."""
        try:
            effect = next(steps)
            while True:
                effect = steps.send(answer(effect))
        except StopIteration as stop:
            return stop.value

    def refusal(self, steps: Steps, *script: tuple[Effect, Any]) -> tuple[str, str]:
        """Run until it refuses, after exactly this script; return condition and type of the error."""
        expected = len(script)
        played = 0

        def answer(effect: Effect) -> Any:
            nonlocal played
            assert played < expected, f"an effect too many: {effect}"
            wanted, given = script[played]
            assert effect == wanted
            played += 1
            return given

        try:
            self.drive(steps, answer)
        except Refused as refused:
            assert played == expected
            return refused.condition, refused.kind
        raise AssertionError("it did not refuse")


def stanza(xml: str) -> Stanza:
    """Read a stanza as a client would send it."""
    return parse_stanza(xml.encode())


def session(session_id: int, resource: str, priority: int | None = 0, presence: bytes | None = None) -> SessionRow:
    """Make the row of a session."""
    return SessionRow(session_id, 1, resource, priority, presence)  # type: ignore[arg-type]


def answer(sent: Iterable[bytes], stanza_id: str) -> ET.Element:
    """Find the one answer to a request among what was sent: before or after what the request has caused."""
    [found] = [
        stanza for stanza in map(tree, sent) if stanza.tag == "{jabber:client}iq" and stanza.get("id") == stanza_id
    ]
    return found


def tree(data: bytes | str) -> ET.Element:
    """Parse what was sent as a client would: in a stream whose default namespace is `jabber:client`."""
    text = data.decode() if isinstance(data, bytes) else data
    return ET.fromstring(f"<stream xmlns='jabber:client'>{text}</stream>")[0]
