"""What clients write and read of polls and events, for the tests of docs/polls.md and docs/events.md."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from xmpp_im.conversations import archive, take
from xmpp_im.playbook import DOMAIN
from xmpp_im.rooms import ROOM
from xmpp_im.service import Client

POLLS = "urn:raftline:polls:0"
EVENTS = "urn:raftline:events:0"
SID = "{urn:xmpp:sid:0}stanza-id"
POLL = "<question>Where to?</question><option>Pizza</option><option>Sushi</option>"
EVENT = "<title>Picnic</title>"


def poll(inner: str = POLL, attributes: str = "") -> str:
    """Write a poll."""
    return f"<poll xmlns='{POLLS}' {attributes}>{inner}</poll>"


def event(inner: str = EVENT, attributes: str = "start='1971-06-01T10:00:00Z'") -> str:
    """Write an event."""
    return f"<event xmlns='{EVENTS}' {attributes}>{inner}</event>"


def send(client: Client, payload: str, to: str = ROOM, body: str = "<body>Poll: …</body>") -> list[ET.Element]:
    """Send a question; what the client is told."""
    take(client)
    kind = "groupchat" if to == ROOM else "chat"
    client.write(f"<message to='{to}' type='{kind}' id='m1'>{body}{payload}</message>")
    return take(client)


def ask(client: Client, payload: str, to: str = ROOM) -> str:
    """Send a question; its id."""
    told = send(client, payload, to)
    if to == ROOM:
        [message] = told
        found = message.find(SID)
        assert found is not None, ET.tostring(message)
        return found.get("id", "")
    assert told == []
    return archive(client).ids[-1]


def request(client: Client, kind: str, payload: str, to: str = ROOM) -> ET.Element:
    """Send a request; its answer. What else the client was told is left."""
    address = f"to='{to}'" if to == ROOM else ""
    client.write(f"<iq {address} type='{kind}' id='q'>{payload}</iq>")
    [answer] = [stanza for stanza in take(client) if stanza.get("id") == "q"]
    return answer


def vote(client: Client, poll_id: str, *options: int | str, to: str = ROOM) -> ET.Element:
    """Vote; the answer."""
    inner = "".join(f"<choice option='{option}'/>" for option in options)
    return request(client, "set", f"<vote xmlns='{POLLS}' poll='{poll_id}'>{inner}</vote>", to)


def attend(client: Client, event_id: str, value: str, to: str = ROOM) -> ET.Element:
    """Answer an event, or take the answer back; what comes of it."""
    written = f"value='{value}'" if value else ""
    return request(client, "set", f"<answer xmlns='{EVENTS}' event='{event_id}' {written}/>", to)


def tally(client: Client, poll_id: str, to: str = ROOM, attributes: str = "") -> ET.Element:
    """How a poll stands."""
    reply = request(client, "get", f"<tally xmlns='{POLLS}' poll='{poll_id}' {attributes}/>", to)
    assert reply.get("type") == "result", ET.tostring(reply)
    return reply[0]


def votes(tally_element: ET.Element) -> list[int]:
    """Votes for each option."""
    return [int(option.get("votes", "")) for option in tally_element.findall(f"{{{POLLS}}}option")]


def answers(client: Client, event_id: str, to: str = ROOM, attributes: str = "") -> ET.Element:
    """How an event stands."""
    reply = request(client, "get", f"<answers xmlns='{EVENTS}' event='{event_id}' {attributes}/>", to)
    assert reply.get("type") == "result", ET.tostring(reply)
    return reply[0]


def counted(answers_element: ET.Element) -> dict[str, int]:
    """Answers of each kind."""
    found = answers_element.findall(f"{{{EVENTS}}}answer")
    return {answer.get("value", ""): int(answer.get("count", "")) for answer in found}


def news(client: Client, name: str, namespace: str = POLLS) -> list[ET.Element]:
    """Messages that tell how something stands."""
    return [stanza for stanza in take(client) if stanza.find(f"{{{namespace}}}{name}") is not None]


def reason(reply: ET.Element) -> tuple[str, str]:
    """Condition of an error and its reason in our own namespace, empty for none."""
    error = reply.find("{jabber:client}error")
    assert error is not None, ET.tostring(reply)
    condition = next(child.tag.rpartition("}")[2] for child in error if "xmpp-stanzas" in child.tag)
    own = [child.tag.rpartition("}")[2] for child in error if "urn:raftline:" in child.tag]
    return condition, "".join(own)


ALICE, BOB, CAROL = f"alice@{DOMAIN}", f"bob@{DOMAIN}", f"carol@{DOMAIN}"
