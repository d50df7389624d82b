"""A person at a client of a library (slixmpp), who looks at whatever stanzas come."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree as ET

from slixmpp import JID
from slixmpp.xmlstream.stanzabase import StanzaBase

from integration.cluster_process import wait_until
from integration.xmpp_client import CONNECT_TIMEOUT_S, Client
from integration.xmpp_raw import NS_CLIENT

MUC = "http://jabber.org/protocol/muc"


class Person(Client):
    """
    A device of somebody's.

    Attributes:
        seen: Stanzas that it was sent since the list was cleared, as XML.
    """

    def __init__(self, username: str, password: str, *plugins: str) -> None:
        super().__init__(username, password)
        for name in plugins:
            self.register_plugin(name)
        self.seen: list[ET.Element] = []
        self.add_filter("in", self._note)

    def _note(self, stanza: StanzaBase) -> StanzaBase:
        self.seen.append(stanza.xml)
        return stanza

    async def wait_seen(self, what: str, accept: Callable[[ET.Element], bool]) -> ET.Element:
        """Wait for a stanza."""

        async def probe() -> ET.Element | None:
            return next((stanza for stanza in self.seen if accept(stanza)), None)

        return await wait_until(f"{self.boundjid} sees {what}", probe, CONNECT_TIMEOUT_S, interval_s=0.01)

    async def wait_message(self, message_id: str) -> ET.Element:
        """Wait for a message that is no error, by the id that its sender gave it."""
        return await self.wait_seen(
            f"message {message_id}",
            lambda stanza: (
                stanza.tag == f"{{{NS_CLIENT}}}message"
                and stanza.get("id") == message_id
                and stanza.get("type") != "error"
            ),
        )

    async def refusal(self, stanza_id: str) -> str:
        """Wait for the error that a stanza comes back with, and return its conditions."""
        answer = await self.wait_seen(
            f"the error for {stanza_id}", lambda stanza: stanza.get("id") == stanza_id and stanza.get("type") == "error"
        )
        error = answer.find(f"{{{NS_CLIENT}}}error")
        assert error is not None
        names = [child.tag.rpartition("}")[2] for child in error]
        return " ".join(name for name in names if name != "text")

    def write(self, to: str, content: str, message_id: str) -> None:
        """Send a message with any content."""
        self.send_raw(f"<message to='{to}' type='chat' id='{message_id}'>{content}</message>")

    async def ask(self, kind: str, payload: str, to: str = "") -> ET.Element:
        """Send a request and return its answer; an error is raised."""
        iq = self.make_iq(ito=to or None, itype=kind)
        iq.append(ET.fromstring(payload))
        answer = await iq.send(timeout=CONNECT_TIMEOUT_S)
        return answer.xml

    async def open_room(self, room: str, *fields: tuple[str, str]) -> None:
        """Enter a room that is made so."""
        await self.plugin["xep_0045"].join_muc_wait(JID(room), self.account, timeout=CONNECT_TIMEOUT_S)
        inner = "".join(f"<field var='{name}'><value>{value}</value></field>" for name, value in fields)
        kind = f"<field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>" if fields else ""
        form = f"<x xmlns='jabber:x:data' type='submit'>{kind}{inner}</x>"
        await self.ask("set", f"<query xmlns='{MUC}#owner'>{form}</query>", room)
