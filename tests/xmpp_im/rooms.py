"""Clients in rooms, for the tests of XEP-0045 and its kin: stanzas in, stanzas out."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from xmpp_im.playbook import DOMAIN, tree
from xmpp_im.service import Client

HOST = f"conference.{DOMAIN}"
ROOM = f"coven@{HOST}"
CLIENT = "{jabber:client}"
MUC = "http://jabber.org/protocol/muc"
USER = f"{{{MUC}#user}}"
DATA = "{jabber:x:data}"
INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
ERRORS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"


def take(client: Client) -> list[ET.Element]:
    """What a client was sent since the last time."""
    return [tree(data) for data in client.take()]


def one(client: Client) -> ET.Element:
    """The one stanza that a client was sent."""
    [found] = take(client)
    return found


def join(client: Client, nick: str, inside: str = "", *, room: str = ROOM, also: str = "") -> list[ET.Element]:
    """Enter; what the client is told."""
    take(client)
    client.write(f"<presence to='{room}/{nick}'>{also}<x xmlns='{MUC}'>{inside}</x></presence>")
    return take(client)


def leave(client: Client, nick: str, *, room: str = ROOM) -> list[ET.Element]:
    """Leave; what the client is told."""
    client.write(f"<presence to='{room}/{nick}' type='unavailable'/>")
    return take(client)


def iq(client: Client, kind: str, payload: str, to: str = ROOM) -> ET.Element:
    """Send a request and return the answer."""
    take(client)
    client.write(f"<iq to='{to}' type='{kind}' id='q'>{payload}</iq>")
    [answer] = [stanza for stanza in take(client) if stanza.get("id") == "q"]
    return answer


def owner_form(*fields: tuple[str, str]) -> str:
    """The configuration form, submitted."""
    inner = f"<field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>" if fields else ""
    inner += "".join(f"<field var='{name}'><value>{value}</value></field>" for name, value in fields)
    return f"<query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='submit'>{inner}</x></query>"


def make_room(owner: Client, nick: str = "owner", *fields: tuple[str, str], room: str = ROOM) -> None:
    """Make a room and configure it."""
    join(owner, nick, room=room)
    assert iq(owner, "set", owner_form(*fields), room).get("type") == "result"


def say(client: Client, body: str, *others: Client, extra: str = "") -> ET.Element:
    """Say something to everyone; what the sender hears. Others forget what they were sent."""
    take(client)
    client.write(f"<message to='{ROOM}' type='groupchat' id='m'><body>{body}</body>{extra}</message>")
    for other in others:
        take(other)
    return one(client)


def admin(client: Client, *items: str) -> ET.Element:
    """Change roles or affiliations; the answer."""
    return iq(client, "set", f"<query xmlns='{MUC}#admin'>{''.join(items)}</query>")


def condition(stanza: ET.Element) -> tuple[str, str]:
    """Condition and type of an error."""
    error = stanza.find(f"{CLIENT}error")
    assert error is not None, ET.tostring(stanza)
    found = next(child for child in error if child.tag != f"{ERRORS}text")
    return found.tag.removeprefix(ERRORS), error.get("type", "")


def codes(stanza: ET.Element) -> set[int]:
    """Status codes."""
    return {int(status.get("code", "")) for status in stanza.iterfind(f"{USER}x/{USER}status")}


def item(stanza: ET.Element) -> ET.Element:
    """The item that says who it is."""
    found = stanza.find(f"{USER}x/{USER}item")
    assert found is not None
    return found


def features(info: ET.Element) -> set[str]:
    """What an answer of service discovery announces."""
    return {feature.get("var", "") for feature in info.iter(f"{{{INFO}}}feature")}


def form_values(stanza: ET.Element) -> dict[str, list[str]]:
    """The fields of the form in a stanza."""
    return {
        field.get("var", ""): [value.text or "" for value in field.findall(f"{DATA}value")]
        for field in stanza.iter(f"{DATA}field")
    }
