"""A console beside the administration interface: in memory, with clocks, chance and readings in the test's hands."""

from __future__ import annotations

from pathlib import Path

import msgspec
from starlette.responses import FileResponse

from raftline.console.console import Console
from raftline.console.readings import Change, NodeFigures, NodeReading, Reading
from raftline.console.sessions import Sessions
from raftline.console.sign_in import SignIn
from raftline.console.stream import EventStream
from raftline.console.watch import Watch
from raftline.machine.commands import CreateAccount, Credential
from raftline.machine.queries import Answer, CredentialsOf, Query
from raftline.web.admin import Admin
from raftline.web.overview import Overview
from raftline.web.rate_limit import RateLimit
from web.application import HTTP_URLS, TOKEN, Application, derive
from web.fake_door import FakeDoor

ADMINISTRATOR = "anna"
PER_MINUTE = 5
START_MS = 1_700_000_000_000


class Door(FakeDoor):
    """A system that knows passwords as well."""

    async def ask(self, query: Query) -> Answer:
        if not isinstance(query, CredentialsOf):
            return await super().ask(query)
        account = self.accounts.get(query.localpart)
        assert account is None or isinstance(account, CreateAccount)
        return () if account is None else account.credentials


def figures(**changes: object) -> NodeFigures:
    """What a node tells of itself, but for these."""
    told = NodeFigures(
        release="1.0",
        machine_version=3,
        started_ms=START_MS,
        elapsed_ns=10**9,
        term=4,
        last_index=91,
        commit_index=90,
        is_drained=False,
        disk_state="ample",
        disk_room_bytes=10**9,
        sync_count=10,
        sync_seconds=0.1,
        in_flight_count=2,
        connection_count=7,
        message_count=100,
    )
    return msgspec.structs.replace(told, **changes)


def node(node_id: int, told: NodeFigures | None, role: str = "follower") -> NodeReading:
    """A node that told this; None for one that does not answer."""
    return NodeReading(
        id=node_id,
        role=role if told is not None else "unknown",
        is_reachable=told is not None,
        http_url=HTTP_URLS[0],
        address="127.0.0.1:1",
        applied_index=None if told is None else 90,
        match_index=90,
        figures=told,
    )


def reading(*nodes: NodeReading, changes: tuple[Change, ...] = ()) -> Reading:
    """The cluster with these nodes."""
    return Reading(
        time_ms=START_MS,
        node=1,
        leader=1,
        term=4,
        commit_index=90,
        commit_p50_ms=1.0,
        commit_p99_ms=9.0,
        nodes=nodes,
        changes=changes,
    )


class ConsoleApplication(Application):
    """
    An application with a console.

    Attributes:
        wall_ms, now_ns: Its clocks.
        administrators: Who may sign in by an account.
        next_reading: What is gathered from now on.
        gather_count: How often that was done.
        gather_count_max: When the stream is told to stop.
    """

    def __init__(self, page: Path) -> None:
        super().__init__(page.parent)
        self.door = Door()
        self.wall_ms = START_MS
        self.administrators = {ADMINISTRATOR}
        self.next_reading = reading(node(1, figures()))
        self.gather_count = 0
        self.gather_count_max = 1
        self.checked: list[str] = []
        self.sessions = Sessions(
            b"key of the cluster",
            wall_ms=lambda: self.wall_ms,
            entropy=self._draw,
            is_administrator=lambda account: account in self.administrators,
        )
        self.stream = EventStream(
            Watch(self._gather, lambda: self.now_ns), self.sessions, TOKEN, lambda: {"domain": "example.org", "node": 1}
        )
        sign_in = SignIn(
            node=self.door,
            sessions=self.sessions,
            token=TOKEN,
            by_address=RateLimit(PER_MINUTE * 2),
            by_account=RateLimit(PER_MINUTE),
            check=self._check,
            decoy_key=b"decoy",
            clock=lambda: self.now_ns,
        )
        self.console = Console(sign_in, self.stream, lambda: HTTP_URLS, lambda _: FileResponse(page))
        admin = Admin(self.door, TOKEN, self._status, derive, self._draw, "", self.sessions.actor_of)
        # Before the routes of the plain application.
        self.app.router.routes[:0] = [*self.console.routes(), *admin.routes(), *Overview(admin).routes()]

    def add_account(self, name: str, password: str) -> None:
        """Make an account as the log has it."""
        self.door.accounts[name] = CreateAccount(
            name, (Credential("SCRAM-SHA-256", b"salt", 1, password.encode(), b""),)
        )

    async def _gather(self) -> Reading:
        self.gather_count += 1
        self.now_ns += 10**9
        if self.gather_count == self.gather_count_max:
            self.stream.stop()
        return self.next_reading

    async def _check(self, password: str, credential: Credential) -> bool:
        self.checked.append(password)
        return credential.stored_key == password.encode()
