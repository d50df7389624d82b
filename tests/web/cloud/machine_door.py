"""The system behind the door, as it is: the real state machine, alone, with files in memory and time under control."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any, cast

import httpx2
from starlette.types import Receive, Scope, Send

from raftline.base.errors import RaftlineError, StorageError
from raftline.base.ids import Epochs, LogIndex, NodeId, Position, Term, position_of
from raftline.gateway.uploads.endpoint import UploadEndpoint
from raftline.machine.business.commands import CreateBusiness, IssueToken
from raftline.machine.business.ids import GraphKind, graph_id
from raftline.machine.business.values import Created
from raftline.machine.commands import (
    Action,
    BindSession,
    Command,
    CreateAccount,
    KeyOrigin,
    SessionOrigin,
    encode_command,
)
from raftline.machine.database import open_database
from raftline.machine.entry import encode_entry
from raftline.machine.machine import Machine
from raftline.machine.message_commands import MessageKind, SendMessage, Storage
from raftline.machine.node_commands import RaiseVersion, StartNode
from raftline.machine.outcomes import Done, Outcome
from raftline.machine.queries import Answer, Query
from raftline.machine.versions import VERSION_MAX
from raftline.node.door import Node
from raftline.web.cloud.call import Edge
from raftline.web.cloud.endpoints import ENDPOINTS
from raftline.web.cloud.errors import GraphError
from raftline.web.cloud.filing import Filing
from raftline.web.cloud.routing import Cloud
from raftline.web.cloud.sending.links import LinkedFiles
from raftline.web.cloud.webhooks.client import WebhookClient
from raftline.xmpp.xeps.xep_0363_http_upload import UploadService
from web.cloud.serving import Chance

NODE = NodeId(1)
DOMAIN = "example.org"
SECRET = bytes(range(16))
TOKEN = "EAAtoken"
OTHER_TOKEN = "EAAother"
SCOPES = "whatsapp_business_management whatsapp_business_messaging"
NUMBER = "15550001111"
OTHER_NUMBER = "15550002222"
ANN = "15551234567"
BASE_URL = "http://files.example.org"
START_MS = 1_700_000_000_000


class MemoryDraft:
    """A file that is being written."""

    def __init__(self, files: MemoryFiles) -> None:
        self._files = files
        self.data = bytearray()
        self.is_discarded = False

    async def write(self, data: bytes) -> None:
        if self._files.failure is not None:
            raise self._files.failure
        self.data += data

    async def keep(self) -> bytes:
        if self._files.failure is not None:
            raise self._files.failure
        digest = hashlib.sha256(self.data).digest()
        self._files.kept[digest] = bytes(self.data)
        return digest

    async def discard(self) -> None:
        self.is_discarded = True


class MemoryFiles:
    """
    Implements door.Files.

    Attributes:
        kept: By SHA-256.
        announced: Sizes that drafts were begun with.
        failure: Raised by drafts, from now on.
    """

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.announced: list[int] = []
        self.drafts: list[MemoryDraft] = []
        self.described: list[bytes] = []
        self.failure: RaftlineError | None = None

    async def begin(self, size: int) -> MemoryDraft:
        self.announced.append(size)
        self.drafts.append(MemoryDraft(self))
        return self.drafts[-1]

    async def ensure(self, digest: bytes, size: int) -> None:
        if len(self.kept.get(digest, b"")) != size:
            raise StorageError("it is not here")

    async def read(self, digest: bytes, offset: int, size: int) -> bytes:
        return self.kept[digest][offset : offset + size]

    async def stream(self, digest: bytes, size: int, start: int, end: int) -> AsyncIterator[bytes]:
        yield self.kept[digest][start:end]

    def describe(self, digest: bytes, size: int) -> None:
        self.described.append(digest)


class MachineDoor:
    """
    Implements what the Cloud API needs of door.Node.

    Attributes:
        failures: Raised by the next calls of `execute`, the first one first; then all is well.
        barrier_failure: Raised by `barrier`.
    """

    domain = DOMAIN
    epochs = Epochs(1)
    machine_version = VERSION_MAX

    def __init__(self) -> None:
        self.machine = Machine(open_database(":memory:"), domain=DOMAIN)
        self.files = MemoryFiles()
        self.time_ms = START_MS
        self.failures: list[RaftlineError] = []
        self.barrier_failure: RaftlineError | None = None
        self.executed: list[Action] = []
        self._index = itertools.count(1)
        self._keys = itertools.count(1)
        for action in (RaiseVersion(VERSION_MAX), StartNode(NODE, 1), RaiseVersion(VERSION_MAX)):
            self.apply(action)

    async def barrier(self) -> None:
        if self.barrier_failure is not None:
            raise self.barrier_failure

    async def ask(self, query: Query) -> Answer:
        return self.machine.answer(query)

    async def execute(self, action: Action, *, key: bytes | None = None) -> Outcome:
        if self.failures:
            raise self.failures.pop(0)
        self.executed.append(action)
        return self.apply(action, key)

    def apply(self, action: Action, key: bytes | None = None) -> Outcome:
        """Apply one command."""
        return self._apply(action, None if key is None else KeyOrigin(key))

    def _apply(self, action: Action, origin: SessionOrigin | KeyOrigin | None) -> Outcome:
        index = next(self._index)
        self.time_ms += 1
        command = Command(NODE, 1, index, index.to_bytes(16), origin, action)
        [result] = self.machine.apply(LogIndex(index), Term(1), encode_entry(self.time_ms, [encode_command(command)]))
        return result.outcome

    def do(self, action: Action) -> Any:
        """Apply a command under a key of its own; return its result."""
        outcome = self.apply(action, b"\xff" + next(self._keys).to_bytes(15))
        assert isinstance(outcome, Done), outcome
        return outcome.result

    def arrive(self, sender: str, recipient: str, body: str = "hi") -> Position:
        """Let a person send a message to a number; return its position."""
        bound = self.do(BindSession(sender, "phone", NODE, 1))
        addresses = f"from='{sender}@{DOMAIN}/phone' to='{recipient}@{DOMAIN}'"
        stanza = f"<message {addresses} type='chat' id='m'><body>{body}</body></message>"
        storage = int(Storage.ARCHIVE | Storage.OFFLINE)
        message = SendMessage(recipient, None, MessageKind.CHAT, storage, stanza.encode(), "", b"")
        outcome = self._apply(message, SessionOrigin(bound.session_id, bound.epoch, 1, 0))
        assert isinstance(outcome, Done), outcome
        return position_of(self.machine.applied_index, 0)

    def route(self, session_id: int, stanza: bytes) -> bool:
        return False


class CloudService:
    """
    The Cloud API over a machine: the businesses Shop and Other with a number each, and the accounts `people`.

    Attributes:
        challenged: Addresses and verify tokens that were asked whether they want events.
        challenge_failure: What they answer with from now on.
        links: Fetches files at addresses, if it was asked for; `now_s` is its clock.
    """

    def __init__(
        self, *people: str, service: UploadService | None = None, link_client: WebhookClient | None = None
    ) -> None:
        self.door = MachineDoor()
        self.challenged: list[tuple[str, str]] = []
        self.challenge_failure: GraphError | None = None
        self.shop = self._business("Shop", NUMBER, SECRET, TOKEN)
        self.other = self._business("Other", OTHER_NUMBER, SECRET[::-1], OTHER_TOKEN)
        for name in people:
            self.door.do(CreateAccount(name, ()))
        node, chance = cast("Node", self.door), Chance()
        offered = service or UploadService(lambda: BASE_URL, lambda: chance(16), 104_857_600, 1 << 30, 1_000)
        self.filing = Filing(node, offered, chance)
        self.now_s = 1_000.0
        self.links = None if link_client is None else LinkedFiles(link_client, self.filing, lambda: self.now_s)
        edge = Edge(
            node,
            chance,
            lambda: self.door.time_ms,
            files_url=lambda: BASE_URL,
            check_callback=self._challenge,
            filing=self.filing,
            links=self.links,
        )
        self.cloud = Cloud(edge, ENDPOINTS)
        self._uploads = UploadEndpoint(node, wall_ms=lambda: self.door.time_ms, base_url=lambda: BASE_URL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the API and the files, as a node does."""
        app = self._uploads if scope["path"].startswith("/upload/") else self.cloud
        await app(scope, receive, send)

    def client(self, token: str | None = TOKEN) -> httpx2.AsyncClient:
        """Return a client that speaks to the service without a socket."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        transport = httpx2.ASGITransport(self, raise_app_exceptions=False)
        return httpx2.AsyncClient(transport=transport, base_url="http://test/v26.0", headers=headers)

    def issue(self, token: str, scopes: str) -> None:
        """Give the application of Shop another token."""
        self.door.do(IssueToken(self.shop.app_id, sha256(token.encode()).digest(), "", scopes, "test"))

    @property
    def number_id(self) -> str:
        """Graph id of the number of Shop."""
        return graph_id(GraphKind.NUMBER, self.shop.number_id)

    @property
    def business_id(self) -> str:
        """Graph id of Shop."""
        return graph_id(GraphKind.BUSINESS, self.shop.business_id)

    @property
    def app_id(self) -> str:
        """Graph id of its application."""
        return graph_id(GraphKind.APP, self.shop.app_id)

    def _business(self, name: str, number: str, secret: bytes, token: str) -> Created:
        action = CreateBusiness(name, number, secret, sha256(token.encode()).digest(), SCOPES, "test")
        created = self.door.do(action)
        assert isinstance(created, Created)
        return created

    async def _challenge(self, url: str, verify_token: str) -> None:
        self.challenged.append((url, verify_token))
        if self.challenge_failure is not None:
            raise self.challenge_failure
