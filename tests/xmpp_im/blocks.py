"""Block lists, for the tests of what they keep apart: stanzas in, stanzas out."""

from __future__ import annotations

from raftline.xmpp.xeps.xep_0191_blocking import BLOCKING_NAMESPACE
from xmpp_im.nodes import online
from xmpp_im.playbook import answer
from xmpp_im.rooms import condition
from xmpp_im.service import Client, Service

ALICE, BOB, CAROL = "alice@example.org", "bob@example.org", "carol@example.org"

WAYS_TO_BLOCK_BOB = (BOB, f"{BOB}/phone", "example.org")
"""The account, the one resource that writes, and everyone of the domain (XEP-0191 section 6)."""

REFUSED_BY_CONTACT = ("service-unavailable", "cancel")
REFUSED_BY_OWN_LIST = ("not-acceptable", "cancel")


def change(client: Client, kind: str, *jids: str) -> None:
    """Block or unblock addresses; the request must succeed, and whatever else came is left to be taken."""
    items = "".join(f"<item jid='{jid}'/>" for jid in jids)
    client.write(f"<iq type='set' id='change'><{kind} xmlns='{BLOCKING_NAMESPACE}'>{items}</{kind}></iq>")
    assert answer(client.sent, "change").get("type") == "result"
    client.sent[:] = [data for data in client.sent if b" id='change'" not in data]


def block(client: Client, *jids: str) -> None:
    """Block addresses, and forget what the client was sent until then."""
    change(client, "block", *jids)
    client.take()


def unblock(client: Client, *jids: str) -> None:
    """Unblock addresses, or all, and forget what the client was sent until then."""
    change(client, "unblock", *jids)
    client.take()


def device(service: Service, localpart: str, resource: str = "phone") -> Client:
    """Bind a device that is available and wants copies of messages (XEP-0280)."""
    client = online(service, localpart, resource)
    client.write("<iq type='set' id='copies'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
    client.take()
    return client


def ask(client: Client, to: str, payload: str, kind: str = "get") -> tuple[str, str] | None:
    """Send a request; return condition and type of its error, None for a result."""
    client.take()
    client.write(f"<iq to='{to}' type='{kind}' id='asked'>{payload}</iq>")
    reply = answer(client.take(), "asked")
    return None if reply.get("type") == "result" else condition(reply)
