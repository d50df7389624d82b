"""
A running cluster for tests that are written as if there was one process: blocking calls, and an end to waiting.

The loop of the clients runs while a test waits for them and at no other time.

When is a stanza done with? The client that sent it asks a question that its node answers after the outcomes of all
earlier commands. Then the witness of that node visits those of the other nodes, which shows that they have applied as
much, and that what was sent off the log has arrived; then the other witnesses do the same, for what their nodes had to
say to that. In the end each client asks a question of its own, whose answer comes behind all that it was sent.
Nothing here waits for time to pass.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from integration.cluster_process import Cluster, wait_until
from spread.killer import LeaderKiller
from spread.wire import SETTLE_TIMEOUT_S, WireClient, Witness

T = TypeVar("T")

CLIENT_NODES = (1, 2, 3)
VICTIMS = (4, 5)
PASSWORD = "a long way from Loja"
WITNESS = "witness"
HTTP_TIMEOUT_S = 10.0
BURY_AFTER_MS = 8_000
"""Nodes with clients live: one that a busy machine silences for a while is not to be taken for dead."""


class Nodes:
    """
    Nodes of which three take clients.

    Args:
        folder: Data and logs go below it.
        administrators: Bare JIDs of who may administer the service.
        kill_seed: Decides when leaders die, on two more nodes; None to let them live.

    Attributes:
        killer: None where leaders live.
    """

    def __init__(
        self, folder: Path, domain: str, *, administrators: tuple[str, ...] = (), kill_seed: int | None = None
    ) -> None:
        self.domain = domain
        self.cluster = Cluster(
            folder,
            len(CLIENT_NODES) + (0 if kill_seed is None else len(VICTIMS)),
            domain=domain,
            settings={
                "RAFTLINE_XMPP__ADMINISTRATORS": f"{list(administrators)}",
                "RAFTLINE_TIMING__BURY_AFTER_MS": str(BURY_AFTER_MS),
            },
        )
        self.killer: LeaderKiller | None = None
        self._kill_seed = kill_seed
        self._killing: asyncio.Task[None] | None = None
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._witnesses: list[Witness] = []
        self._account_numbers = itertools.count(1)
        self._http: httpx2.AsyncClient | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for something on the loop of the clients; fails if leaders do not come back."""
        if self._killing is not None and self._killing.done():
            self._killing.result()
        return self._runner.run(work)

    # Life.

    def start(self) -> None:
        """Start the cluster, put a witness on each node, and begin with the killing."""
        self.run(self._start())

    async def _start(self) -> None:
        await self.cluster.start()
        token = self.cluster.description()["admin_token"]
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx2.AsyncClient(headers=headers, timeout=HTTP_TIMEOUT_S, trust_env=False)
        await self.cluster.wait_version()
        await self._create_account(WITNESS)
        for node_id in CLIENT_NODES:
            witness = Witness(node_id, self.domain)
            self._witnesses.append(witness)
            await witness.log_in_plainly(self.cluster.node(node_id).xmpp, WITNESS, PASSWORD, f"node{node_id}")
        if self._kill_seed is not None:
            chance = random.Random(self._kill_seed)
            self.killer = LeaderKiller(
                self.cluster, VICTIMS, chance, find_leader=self._find_leader, transfer=self._transfer
            )
            self._killing = asyncio.get_running_loop().create_task(self.killer.run())

    def close(self) -> None:
        """End everything."""
        try:
            self._runner.run(self._close())
        finally:
            self._runner.close()
            self.cluster.close()

    async def _close(self) -> None:
        await self._end_killing()
        for witness in self._witnesses:
            await witness.close()
        if self._http is not None:
            await self._http.aclose()

    async def _end_killing(self) -> None:
        if self.killer is not None and self._killing is not None:
            self.killer.stop()
            killing, self._killing = self._killing, None
            await killing

    def check(self) -> None:
        """Let leaders live again, of whom one has died at least, and compare what the nodes have come to."""

        async def has_killed() -> bool:
            return self.killer is None or bool(self.killer.killed)

        async def compare() -> None:
            await wait_until("a leader to die", has_killed, SETTLE_TIMEOUT_S)
            await self._end_killing()
            await self.cluster.wait_equal_hashes()

        self._runner.run(compare())

    # Accounts and clients.

    def create_accounts(self, localparts: Iterable[str]) -> None:
        """Create accounts, all with the same password."""

        async def create() -> None:
            await asyncio.gather(*(self._create_account(localpart) for localpart in localparts))

        self.run(create())

    async def _create_account(self, localpart: str) -> None:
        body = {"username": localpart, "password": PASSWORD}
        key = f"account {next(self._account_numbers)}"
        await self._call("POST", "users", 201, json=body, headers={"Idempotency-Key": key})

    def delete_account(self, localpart: str) -> None:
        """Delete an account if it is there."""
        self.run(self._call("DELETE", f"users/{localpart}", 204, 404))

    def connect(self, node_id: int, localpart: str, resource: str, *, is_managed: bool) -> WireClient:
        """Connect a client to a node, with or without stream management (XEP-0198)."""
        client = WireClient(node_id, self.domain)
        port = self.cluster.node(node_id).xmpp
        self.run(client.log_in_plainly(port, localpart, PASSWORD, resource, is_managed=is_managed))
        return client

    def settle(self, writer: WireClient, clients: Iterable[WireClient]) -> None:
        """Wait until nothing is under way that the writer caused, to any of the clients."""

        async def wait() -> None:
            await writer.settle()
            await self._follow(writer.node_id)
            await asyncio.gather(*(client.settle() for client in clients))

        self.run(wait())

    async def _follow(self, node_id: int) -> None:
        """Wait until all nodes have come as far as one, and have said what they had to say to that."""
        first = next(witness for witness in self._witnesses if witness.node_id == node_id)
        await first.visit(self._witnesses)
        await asyncio.gather(*(other.visit(self._witnesses) for other in self._witnesses if other is not first))

    def end(self, client: WireClient, localpart: str, session_count: int) -> None:
        """End a client's stream in peace, and wait until its account has that many sessions left."""

        async def end() -> None:
            client.write("</stream:stream>")
            await client.wait_end(SETTLE_TIMEOUT_S)
            await wait_until(f"{localpart} to have {session_count} sessions", is_gone, SETTLE_TIMEOUT_S, 0.005)
            await self._follow(client.node_id)

        async def is_gone() -> bool:
            return await self._sessions_of(localpart, client.node_id) == session_count

        self.run(end())

    def sessions_of(self, localpart: str) -> int | None:
        """Return how many sessions an account has; None if there is no such account."""
        return self.run(self._sessions_of(localpart, CLIENT_NODES[0]))

    async def _sessions_of(self, localpart: str, node_id: int) -> int | None:
        # A name without its last letter comes before it, and no other is between them.
        query = f"users?after={localpart[:-1]}&limit=1"
        users = (await self._call("GET", query, 200, node_id=node_id)).json()["users"]
        return next((user["session_count"] for user in users if user["name"] == localpart), None)

    # What operators do.

    async def _find_leader(self) -> int | None:
        status = (await self._call("GET", "cluster", 200)).json()
        reachable = {node["id"] for node in status["nodes"] if node["reachable"]}
        return status["leader"] if status["leader"] in reachable else None

    async def _transfer(self, node_id: int) -> None:
        await self._call("POST", "cluster/transfer", 202, json={"to": node_id})

    async def _call(
        self, method: str, path: str, *expected: int, node_id: int = CLIENT_NODES[0], **options: Any
    ) -> httpx2.Response:
        """Call the administration of a node, again where no leader was there to take it."""
        http = self._http
        assert http is not None
        url = f"http://127.0.0.1:{self.cluster.node(node_id).http}/admin/v1/{path}"

        async def call() -> httpx2.Response | None:
            reply = await http.request(method, url, **options)
            if reply.status_code == 503:
                return None
            assert reply.status_code in expected, reply.text
            return reply

        return await wait_until(f"{method} {path}", call, SETTLE_TIMEOUT_S)
