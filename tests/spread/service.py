"""
The service that XEP tests meet (`xmpp_im/service.py`), on three nodes of a running cluster.

What a test writes is settled before another client writes, and before anything is looked at: so a test sees what it
would see in one process, while stanzas that one client writes in a row travel together.

Tests share the cluster. Accounts and rooms of a test have a mark of its own behind their names, which is put in where
stanzas leave and taken out where they arrive; so the test reads the names that it wrote.
"""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from typing import NoReturn

from raftline.xmpp.jid import JID, parse_jid
from spread.nodes import CLIENT_NODES, Nodes
from spread.wire import WireClient
from xmpp_im.playbook import DOMAIN

ROOMS = f"conference.{DOMAIN}"
LETTER = r"[^\s'\"<>@/:&]"
NAMES = re.compile(rf"(?<!{LETTER})({LETTER}+)@((?:conference\.)?{re.escape(DOMAIN)})", re.IGNORECASE)
BLOCKED = "{urn:xmpp:blocking}item"
ADMINISTRATOR = f"anna@{DOMAIN}"


class InOneProcessAlone(AssertionError):
    """The test looks into the machine: it needs the mark `one_process`, with the reason."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no `{name}` on real nodes: mark the test `one_process(reason=…)`")


class Client:
    """A client of one of the nodes; what it was sent is in `sent`, and in `ended` why its stream is over, if it is."""

    def __init__(self, service: Service, localpart: str, resource: str) -> None:
        service.settle()
        self._service = service
        self._sent: list[bytes] = []
        self.localpart = localpart
        self.jid: JID = parse_jid(f"{localpart}@{DOMAIN}/{resource}")
        node_id, is_managed = service.next_turn()
        self.wire: WireClient = service.nodes.connect(
            node_id, service.name_of(localpart), resource, is_managed=is_managed
        )
        service.clients.append(self)
        service.touched_by(self)
        self.take()

    @property
    def sent(self) -> list[bytes]:
        """What was sent and not taken yet."""
        self._service.settle()
        return self._sent

    @property
    def ended(self) -> str | None:
        """The condition by which the stream has ended; None while it has not."""
        self._service.settle()
        return self.wire.stream_error or "" if self.wire.is_over else None

    def take(self) -> list[bytes]:
        """Return what was sent since the last time."""
        taken, self.sent[:] = list(self.sent), []
        return taken

    def write(self, xml: str) -> None:
        """Send a stanza to the client's node."""
        self._service.touched_by(self)
        self.wire.write(self._service.marked(xml))

    def collect(self) -> None:
        """Take over what has arrived on the socket."""
        arrived, self.wire.arrived[:] = list(self.wire.arrived), []
        self._sent += map(self._service.unmarked, arrived)

    def machine_blocks(self, jid: str) -> bool:
        """Whether the client's account has blocked an address, as its list says (XEP-0191 section 2)."""
        self._service.settle()
        own_id = self.wire.own_id()
        request = f"<iq type='get' id='{own_id}'><blocklist xmlns='urn:xmpp:blocking'/></iq>"
        answer = self._service.nodes.run(self.wire.request(request, own_id))
        assert answer is not None
        listed = self._service.unmarked(ET.tostring(answer))
        address = parse_jid(jid)
        forms = {str(address), str(address.bare), f"{address.domain}/{address.resource}", address.domain}
        return not forms.isdisjoint(item.get("jid") for item in ET.fromstring(listed).iter(BLOCKED))

    def end(self) -> None:
        """End the session, without a word."""
        service = self._service
        service.settle()
        service.clients.remove(self)
        service.gone.append(self)
        left = sum(client.localpart == self.localpart and not client.wire.is_over for client in service.clients)
        service.nodes.end(self.wire, service.name_of(self.localpart), left)
        service.tell_end()

    def __getattr__(self, name: str) -> NoReturn:
        raise InOneProcessAlone(name)


class Service:
    """
    Accounts of a test, and their clients on three nodes in turn.

    Attributes:
        nodes: Where they live; set for the run of the tests.
        opened: Services of the test at work.
        clients, gone: Clients that are connected, and those that have ended their sessions.
    """

    nodes: Nodes
    opened: list[Service]
    _numbers = itertools.count(1)

    def __init__(self, *accounts: str, administrators: tuple[str, ...] = ()) -> None:
        assert set(administrators) <= {ADMINISTRATOR}, "administrators are a setting of the nodes"
        # Whoever administers the service is told names as they are. A mark ends in what sorts before digits: see
        # Nodes.sessions_of.
        self.is_marked = not administrators
        number = next(self._numbers)
        self._mark = f".t{number}-" if self.is_marked else ""
        self.clients: list[Client] = []
        self.gone: list[Client] = []
        turns = zip(itertools.cycle(CLIENT_NODES), itertools.cycle((True, False)), strict=False)
        self._turns = itertools.islice(turns, number % (2 * len(CLIENT_NODES)), None)
        self._writer: Client | None = None
        self._names = set(accounts)
        self._rooms: set[str] = set()
        self.opened.append(self)
        self.nodes.create_accounts(map(self.name_of, accounts))

    def name_of(self, localpart: str) -> str:
        """Return the name under which the nodes know an account."""
        return f"{localpart}{self._mark}"

    def marked(self, xml: str) -> str:
        """Put the test's mark behind names."""
        for name, domain in NAMES.findall(xml):
            if domain.lower() == ROOMS:
                self._rooms.add(f"{name}@{ROOMS}")
            else:
                self._names.add(name)
        return NAMES.sub(rf"\1{self._mark}@\2", xml)

    def unmarked(self, data: bytes) -> bytes:
        """Take the test's mark off names."""
        return data.replace(self._mark.encode(), b"")

    def has_account(self, localpart: str) -> bool:
        """Whether there is an account of this name."""
        self.settle()
        return self.nodes.sessions_of(self.name_of(localpart)) is not None

    def next_turn(self) -> tuple[int, bool]:
        """Return the node whose turn it is to take a client, and whether with stream management: every other is."""
        return next(self._turns)

    def bind(self, localpart: str, resource: str = "phone") -> Client:
        """Connect a client and let it forget what it was sent meanwhile."""
        return Client(self, localpart, resource)

    def touched_by(self, client: Client) -> None:
        """Take note that a client is about to write; what others wrote is settled first."""
        if self._writer is not client:
            self.settle()
        self._writer = client

    def settle(self) -> None:
        """Wait until all that was written has had its effect on every client."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            self.nodes.settle(writer.wire, [client.wire for client in self.clients])
            self._collect()

    def tell_end(self) -> None:
        """Wait until others were told that a session is over."""
        if self.clients:
            self.nodes.settle(self.clients[0].wire, [other.wire for other in self.clients])
        self._collect()

    def _collect(self) -> None:
        for client in self.clients:
            client.collect()

    def close(self) -> None:
        """End what the test has begun: rooms, which others would find, clients, and accounts without a mark."""
        self.settle()
        destroy = "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>"
        for client in self.clients:
            for room in sorted(self._rooms):
                own_id = client.wire.own_id()
                request = self.marked(f"<iq type='set' id='{own_id}' to='{room}'>{destroy}</iq>")
                self.nodes.run(client.wire.request(request, own_id))
        for client in (*self.clients, *self.gone):
            self.nodes.run(client.wire.close())
        if not self.is_marked:
            for localpart in sorted(self._names):
                self.nodes.delete_account(localpart)

    def __getattr__(self, name: str) -> NoReturn:
        raise InOneProcessAlone(name)
