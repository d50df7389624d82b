"""Ad-hoc commands of rooms, for tests: begun, filled in, answered."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from xmpp_im.rooms import DATA, ROOM, form_values, iq
from xmpp_im.service import Client

COMMANDS = "http://jabber.org/protocol/commands"
ROOMS = "urn:raftline:rooms:0"


def command(client: Client, name: str, attributes: str = "", form: str = "", *, room: str = ROOM) -> ET.Element:
    """Send one request of a command of the room; its answer."""
    return iq(client, "set", f"<command xmlns='{COMMANDS}' node='{ROOMS}#{name}' {attributes}>{form}</command>", room)


def submit(client: Client, name: str, *, room: str = ROOM, **fields: str) -> ET.Element:
    """Go through a command that has a form; the last answer, or the error of the first."""
    begun = command(client, name, room=room)
    if begun.get("type") == "error":
        return begun
    written = "".join(f"<field var='{key}'><value>{value}</value></field>" for key, value in fields.items())
    form = f"<x xmlns='jabber:x:data' type='submit'>{written}</x>"
    return command(client, name, f"sessionid='{begun[0].get('sessionid')}'", form, room=room)


def told(answer: ET.Element) -> dict[str, str]:
    """What the form of a finished command says."""
    assert answer[0].get("status") == "completed", ET.tostring(answer)
    return {name: values[0] if values else "" for name, values in form_values(answer).items()}


def rows(answer: ET.Element) -> list[dict[str, str]]:
    """The items that a finished command reports."""
    assert answer[0].get("status") == "completed", ET.tostring(answer)
    return [
        {field.get("var", ""): field.findtext(f"{DATA}value") or "" for field in item}
        for item in answer.iter(f"{DATA}item")
    ]
