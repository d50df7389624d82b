"""Conversations over the real state machine, for tests of what archives hold of them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import NamedTuple

from xmpp_im.playbook import tree
from xmpp_im.service import Client

MAM = "{urn:xmpp:mam:2}"
RSM = "{http://jabber.org/protocol/rsm}"
MESSAGE = "{jabber:client}message"
BODY = "{jabber:client}body"
ERROR = "{urn:ietf:params:xml:ns:xmpp-stanzas}"


class Page(NamedTuple):
    """A page of an archive: ids, messages, and the summary."""

    ids: list[str]
    messages: list[ET.Element]
    fin: ET.Element

    @property
    def texts(self) -> list[str | None]:
        """Texts of the messages; None for those without."""
        return [message.findtext(BODY) for message in self.messages]


def field(name: str, *values: str) -> str:
    """Write one field of the form."""
    written = "".join(f"<value>{value}</value>" for value in values)
    return f"<field var='{name}'>{written}</field>"


def say(client: Client, to: str, text: str, message_id: str = "m", inner: str = "", kind: str = "chat") -> None:
    """Send a text."""
    client.write(f"<message to='{to}' type='{kind}' id='{message_id}'><body>{text}</body>{inner}</message>")


def take(client: Client) -> list[ET.Element]:
    """What a client was sent since the last time."""
    return [tree(data) for data in client.take()]


def archive(client: Client, fields: str = "", paging: str = "") -> Page:
    """Query the own archive."""
    client.take()
    kind = "<field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>"
    form = f"<x xmlns='jabber:x:data' type='submit'>{kind}{fields}</x>"
    inner = f"{form}<set xmlns='http://jabber.org/protocol/rsm'>{paging}</set>"
    client.write(f"<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'>{inner}</query></iq>")
    *messages, reply = take(client)
    assert reply.get("type") == "result", ET.tostring(reply)
    results = [found for message in messages if (found := message.find(f"{MAM}result")) is not None]
    originals = [found for message in messages if (found := message.find(f".//{MESSAGE}")) is not None]
    return Page([result.get("id", "") for result in results], originals, reply[0])


def error_of(client: Client) -> str:
    """The condition of the last error that a client was just sent, whatever else came with it."""
    [*_, reply] = [stanza for stanza in take(client) if stanza.get("type") == "error"]
    [condition] = [child.tag for child in reply.iter() if child.tag.startswith(ERROR) and child.tag != f"{ERROR}text"]
    return condition.removeprefix(ERROR)
