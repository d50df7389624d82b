"""The client of a BOSH session, without HTTP: requests are bodies, connections are tickets, time is a number."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from raftline.xmpp.bosh_body import Body, parse_body, write_body
from raftline.xmpp.bosh_terms import Reply, agree
from raftline.xmpp.xeps.xep_0124_bosh import BoshSession

NAMESPACE = "http://jabber.org/protocol/httpbind"
RID = 1_573_741_820
STANZA = b"<message xmlns='jabber:client'/>"
SECOND_NS = 1_000_000_000


def body(payloads: bytes = b"", **attributes: Any) -> Body:
    """Write a request and read it again."""
    named = {name.replace("xml_", "xml:"): str(value) for name, value in attributes.items()}
    return parse_body(write_body(named, [payloads] if payloads else []), stanza_bytes_max=10_000)


class Client:
    """A session and its client; tickets are numbers of HTTP requests."""

    def __init__(self, **creation: Any) -> None:
        self.now_s = 100.0
        self.rid = RID
        self.got: dict[int, Reply] = {}
        self.taken: list[bytes] = []
        self._ticket = 0
        asked = {"rid": RID, "wait": 60, "hold": 1, "ver": "1.6", "to": "localhost"} | creation
        request = body(**{name: value for name, value in asked.items() if value is not None})
        self.session: BoshSession[int] = BoshSession(agree(request), RID, {"sid": "s"}, self.now_ns)
        self.greeting = self.reply(self.post(request))

    @property
    def now_ns(self) -> int:
        return int(self.now_s * SECOND_NS)

    def post(self, request: Body) -> int:
        """Send a request; return its ticket."""
        self._ticket += 1
        self.session.receive(request, self._ticket, self.now_ns)
        self.turn()
        return self._ticket

    def ask(self, payloads: bytes = b"", rid: int | None = None, **attributes: Any) -> int:
        """Send the next request of this session, or one of another number."""
        if rid is None:
            self.rid = rid = self.rid + 1
        return self.post(body(payloads, rid=rid, sid="s", **attributes))

    def turn(self) -> None:
        while (request := self.session.take()) is not None:
            self.taken += [payload.raw for payload in request.payloads]
        self.session.release(self.now_ns)
        self.collect()

    def collect(self) -> None:
        for ticket, reply in self.session.take_answers():
            assert ticket not in self.got, "each request is answered once"
            self.got[ticket] = reply

    def write(self, *payloads: bytes) -> None:
        self.session.write(list(payloads))
        self.turn()

    def sleep(self, seconds: float) -> None:
        """Let time pass; the session is looked after when it asks for it."""
        end_s = self.now_s + seconds
        while (deadline_ns := self.session.deadline_ns) is not None and deadline_ns <= end_s * SECOND_NS:
            self.now_s = deadline_ns / SECOND_NS
            self.session.check(deadline_ns)
            self.collect()
        self.now_s = end_s

    def reply(self, ticket: int) -> dict[str, str]:
        """The attributes of a response, and its payloads' local names under `payloads`."""
        root = ET.fromstring(self.got[ticket].body)
        assert root.tag == f"{{{NAMESPACE}}}body"
        return {**root.attrib, "payloads": " ".join(child.tag.partition("}")[2] for child in root)}

    def is_held(self, ticket: int) -> bool:
        return ticket not in self.got
