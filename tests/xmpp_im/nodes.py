"""What clients write to nodes and read of them, for the tests of XEP-0060 and of what stands on it."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from base64 import b64encode

from xmpp_im.playbook import tree
from xmpp_im.service import Client, Service

PUBSUB = "http://jabber.org/protocol/pubsub"
OWNER = f"{PUBSUB}#owner"
EVENT = f"{PUBSUB}#event"
ERRORS = f"{PUBSUB}#errors"
INFO = "http://jabber.org/protocol/disco#info"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
TUNE = "<tune xmlns='http://jabber.org/protocol/tune'><title>{}</title></tune>"


def form(kind: str, **fields: str | tuple[str, ...]) -> str:
    """Write a submitted form; `kind` is the last part of its FORM_TYPE."""
    written = f"<field var='FORM_TYPE' type='hidden'><value>{PUBSUB}#{kind}</value></field>"
    for name, given in fields.items():
        values = (given,) if isinstance(given, str) else given
        written += f"<field var='pubsub#{name}'>{''.join(f'<value>{value}</value>' for value in values)}</field>"
    return f"<x xmlns='jabber:x:data' type='submit'>{written}</x>"


def options(**fields: str | tuple[str, ...]) -> str:
    """Write publish-options."""
    return f"<publish-options>{form('publish-options', **fields)}</publish-options>"


def request(client: Client, kind: str, content: str, *, to: str = "", namespace: str = PUBSUB) -> ET.Element:
    """Ask, and return the reply; what else the client was sent is left to be taken."""
    address = f" to='{to}'" if to else ""
    client.write(f"<iq type='{kind}' id='q'{address}><pubsub xmlns='{namespace}'>{content}</pubsub></iq>")
    [reply] = [data for data in client.sent if data.startswith(b"<iq") and tree(data).get("id") == "q"]
    client.sent.remove(reply)
    return tree(reply)


def publish(client: Client, node: str, payload: str, *, item_id: str = "", extra: str = "") -> ET.Element:
    """Publish an item."""
    written = f" id='{item_id}'" if item_id else ""
    return request(client, "set", f"<publish node='{node}'><item{written}>{payload}</item></publish>{extra}")


def items(client: Client, node: str, *, to: str = "", attributes: str = "") -> list[tuple[str, str]]:
    """Return ids and payloads of a node's items; the texts of payloads are joined."""
    reply = request(client, "get", f"<items node='{node}' {attributes}/>", to=to)
    assert reply.get("type") == "result", ET.tostring(reply)
    return [(item.get("id", ""), "".join(item.itertext())) for item in reply.iter(f"{{{PUBSUB}}}item")]


def configure(client: Client, node: str, **fields: str | tuple[str, ...]) -> ET.Element:
    """Change the configuration of a node."""
    content = f"<configure node='{node}'>{form('node_config', **fields)}</configure>"
    return request(client, "set", content, namespace=OWNER)


def configuration(client: Client, node: str = "") -> dict[str, list[str]]:
    """Return a node's configuration, or without a node the default one."""
    element = f"<configure node='{node}'/>" if node else "<default/>"
    reply = request(client, "get", element, namespace=OWNER)
    assert reply.get("type") == "result", ET.tostring(reply)
    fields = reply[0][0][0].findall("{jabber:x:data}field")
    values = {field.get("var", ""): field.findall("{jabber:x:data}value") for field in fields}
    return {name.removeprefix("pubsub#"): [value.text or "" for value in found] for name, found in values.items()}


def create(client: Client, node: str, **fields: str | tuple[str, ...]) -> ET.Element:
    """Make a node."""
    return request(client, "set", f"<create node='{node}'/><configure>{form('node_config', **fields)}</configure>")


def condition(reply: ET.Element) -> tuple[str, ...]:
    """Return the conditions of an error, that of the stanza first, its type last; empty for a result."""
    error = reply.find("{jabber:client}error")
    if error is None:
        assert reply.get("type") == "result"
        return ()
    names = [
        child.tag.rpartition("}")[2] for child in error if child.tag.startswith((f"{{{STANZAS}}}", f"{{{ERRORS}}}"))
    ]
    return (*(name for name in names if name != "text"), error.get("type", ""))


def events(client: Client) -> list[ET.Element]:
    """Take what the client was told of nodes, as messages."""
    told = [tree(data) for data in client.take() if data.startswith(b"<message")]
    return [message for message in told if message.find(f"{{{EVENT}}}event") is not None]


def told(client: Client) -> list[tuple[str, str, str, str]]:
    """Take what the client was told: sender, node, what happened, and the texts of the payload or the id."""
    found = []
    for message in events(client):
        change = message[0][0]
        inner = change[0] if len(change) else change
        kind = inner.tag.rpartition("}")[2]
        text = "".join(inner.itertext()) or inner.get("id", "")
        found.append((message.get("from", ""), change.get("node", ""), kind, text))
    return found


def version_of(*features: str, identity: str = "client/pc//x") -> str:
    """Hash an answer as XEP-0115 section 5.1 says."""
    text = "".join(f"{part}<" for part in (identity, *sorted(features)))
    return b64encode(hashlib.sha1(text.encode()).digest()).decode()


def presence_of(*features: str, version: str = "", algorithm: str = "hash='sha-1'") -> str:
    """Write presence with capabilities."""
    version = version or version_of(*features)
    return f"<presence><c xmlns='http://jabber.org/protocol/caps' {algorithm} node='urn:c' ver='{version}'/></presence>"


def answer_question(client: Client, *features: str, extra: str = "") -> bool:
    """Answer the question for capabilities if there is one; return whether there was."""
    asked = [data for data in client.sent if b"disco#info" in data and b"type='get'" in data]
    for data in asked:
        client.sent.remove(data)
        written = "".join(f"<feature var='{feature}'/>" for feature in features)
        query = f"<query xmlns='{INFO}'><identity category='client' type='pc' name='x'/>{written}{extra}</query>"
        client.write(f"<iq type='result' id='{tree(data).get('id')}' to='example.org'>{query}</iq>")
    return bool(asked)


def online(service: Service, localpart: str, resource: str = "phone", *, wants: tuple[str, ...] = ()) -> Client:
    """Bind a client that is available and wants to hear of nodes; it has answered for that."""
    client = service.bind(localpart, resource)
    if wants:
        features = tuple(f"{node}+notify" for node in wants)
        client.write(presence_of(*features))
        answer_question(client, *features)
    else:
        client.write("<presence/>")
    return client


def friend_of(service: Service, alice: Client, *nodes: str) -> Client:
    """Bind Bob, who sees Alice, is seen by her, and wants to hear of nodes."""
    bob = online(service, "bob", wants=nodes)
    befriend(alice, bob)
    return bob


def befriend(one: Client, other: Client) -> None:
    """Subscribe two accounts to each other's presence."""
    for asks, answers in ((one, other), (other, one)):
        subscribe(asks, answers)
    one.take()
    other.take()


def subscribe(asks: Client, answers: Client) -> None:
    """Let one account see the other's presence."""
    asks.write(f"<presence to='{answers.jid.bare}' type='subscribe'/>")
    answers.write(f"<presence to='{asks.jid.bare}' type='subscribed'/>")
