"""Accounts and sessions for tests of whole clusters: edges that keep what they are told."""

from __future__ import annotations

import os

from raftline.base.ids import NodeId, Position
from raftline.machine.commands import Action, BindSession, CreateAccount, SetPresence
from raftline.machine.message_commands import MessageKind, SendMessage, Storage
from raftline.machine.outcomes import Done, Event, MessageArrived, Outcome, SessionEnded
from raftline.machine.queries import ArchivePage, Page
from raftline.node.door import Session
from raftline.node.node import LocalNode


def anything(localpart: str, resource: str = "home") -> BindSession:
    """A bind whose node and incarnation are for the node to fill in."""
    return BindSession(localpart, resource, NodeId(0), 0)


class Person:
    """An account with a session on one node; keeps all it hears."""

    def __init__(self, name: str, resource: str = "home") -> None:
        self.name = name
        self.resource = resource
        self.events: list[Event] = []
        self.stanzas: list[bytes] = []
        self.progress: list[int] = []
        self.outcomes: list[tuple[int, Outcome]] = []
        self.number = 0
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        assert self._session is not None
        return self._session

    @property
    def bodies(self) -> list[bytes]:
        """Bodies of the messages that arrived, in order."""
        return [body_of(event.stanza) for event in self.events if isinstance(event, MessageArrived)]

    @property
    def ended(self) -> str | None:
        """Why the session ended; None while it lives."""
        reasons = [event.reason for event in self.events if isinstance(event, SessionEnded)]
        return reasons[-1] if reasons else None

    async def create(self, node: LocalNode) -> None:
        assert await node.execute(CreateAccount(self.name, ()), key=os.urandom(16)) == Done()

    async def bind(self, node: LocalNode) -> None:
        self.number = 0
        self._session = await node.open_session(anything(self.name, self.resource), self)

    async def appear(self, node: LocalNode) -> None:
        """Create the account, bind and become available."""
        await self.create(node)
        await self.bind(node)
        self.submit_presence()

    def submit_presence(self) -> int:
        return self.submit(SetPresence(b"<presence/>", 0))

    def submit(self, action: Action) -> int:
        self.number += 1
        number = self.number
        self.session.submit(number, action, lambda outcome: self.outcomes.append((number, outcome)))
        return number

    def send(self, to: str, body: str, origin_id: str = "") -> int:
        stanza = f"<message from='{self.name}@example.test/{self.resource}' to='{to}@example.test' type='chat'>"
        return self.submit(
            SendMessage(
                to,
                None,
                MessageKind.CHAT,
                Storage.ARCHIVE | Storage.OFFLINE,
                f"{stanza}<body>{body}</body></message>".encode(),
                origin_id,
                b"12345678",
            )
        )

    def receive_event(self, event: Event) -> None:
        self.events.append(event)

    def receive_stanza(self, stanza: bytes) -> None:
        self.stanzas.append(stanza)

    def receive_progress(self, inbound_count: int) -> None:
        self.progress.append(inbound_count)


def send_to_full_jid(sender: str, to: str, resource: str, body: str) -> SendMessage:
    """A message to one resource."""
    stanza = f"<message from='{sender}@example.test/home' to='{to}@example.test/{resource}' type='chat'>"
    data = f"{stanza}<body>{body}</body></message>".encode()
    return SendMessage(to, resource, MessageKind.CHAT, Storage.ARCHIVE | Storage.OFFLINE, data, "", b"12345678")


def body_of(stanza: bytes) -> bytes:
    """Return the text of a message's body."""
    return stanza.partition(b"<body>")[2].partition(b"</body>")[0]


async def archive_of(node: LocalNode, owner: str) -> list[bytes]:
    """Return the bodies of an account's whole archive, as this node's replica has it."""
    bodies: list[bytes] = []
    after = Position(0)
    while True:
        page = await node.ask(ArchivePage(owner, after=after, limit=100))
        assert isinstance(page, Page)
        bodies += [body_of(row.stanza) for row in page.rows]
        if page.complete:
            return bodies
        after = page.rows[-1].position
