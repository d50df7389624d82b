"""What clients ask of their inbox, for the tests of XEP-0430 and of what stands on it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import NamedTuple

from xmpp_im.conversations import BODY, MESSAGE, RSM, take
from xmpp_im.nodes import condition, options, publish
from xmpp_im.service import Client

INBOX = "{urn:xmpp:inbox:1}"
MAM = "{urn:xmpp:mam:2}"
OWN = "urn:raftline:conversations:0"
DISPLAYED = "urn:xmpp:mds:displayed:0"
BOOKMARKS = "urn:xmpp:bookmarks:1"


class Entry(NamedTuple):
    """An entry: `id` of the last message, the text beside it, its id in the archive, and our own attributes."""

    jid: str
    unread: int
    id: str | None
    text: str | None
    result_id: str | None
    state: dict[str, str]


class Inbox(NamedTuple):
    """An answer: entries in order, and the summary."""

    entries: list[Entry]
    fin: ET.Element

    @property
    def unread(self) -> dict[str, int]:
        """Unread messages by the local part of addresses."""
        return {entry.jid.partition("@")[0]: entry.unread for entry in self.entries}

    @property
    def totals(self) -> tuple[str | None, str | None, str | None]:
        """Conversations, those with unread messages, unread messages."""
        return self.fin.get("total"), self.fin.get("unread"), self.fin.get("all-unread")

    def page(self, name: str) -> str | None:
        """What the summary says of the page: `first`, `last` or `count`."""
        return self.fin.findtext(f"{RSM}set/{RSM}{name}")


def ask(client: Client, attributes: str = "", paging: str | None = None, *, to: str = "") -> list[ET.Element]:
    """Ask, and return all that is answered."""
    client.take()
    rsm = "" if paging is None else f"<set xmlns='http://jabber.org/protocol/rsm'>{paging}</set>"
    client.write(f"<iq type='get' id='i' {to}><inbox xmlns='urn:xmpp:inbox:1' {attributes}>{rsm}</inbox></iq>")
    return take(client)


def inbox(client: Client, attributes: str = "", paging: str | None = None) -> Inbox:
    """Ask for the own inbox."""
    *messages, reply = ask(client, attributes, paging)
    assert reply.get("type") == "result", ET.tostring(reply)
    return Inbox([_entry_of(message) for message in messages], reply[0])


def _entry_of(message: ET.Element) -> Entry:
    entry = message.find(f"{INBOX}entry")
    assert entry is not None, ET.tostring(message)
    state = entry.find(f"{{{OWN}}}state")
    result = message.find(f"{MAM}result")
    original = None if result is None else result.find(f".//{MESSAGE}")
    return Entry(
        entry.get("jid", ""),
        int(entry.get("unread", "")),
        entry.get("id"),
        None if original is None else original.findtext(BODY),
        None if result is None else result.get("id"),
        {} if state is None else dict(state.attrib),
    )


def entry_of(client: Client, jid: str) -> Entry:
    """Ask for the inbox and return one entry."""
    [found] = [entry for entry in inbox(client).entries if entry.jid == jid]
    return found


def displayed(client: Client, jid: str, stanza_id: str, *, by: str = "") -> None:
    """Publish how far a conversation is read (XEP-0490)."""
    named = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{by or client.jid.bare}' id='{stanza_id}'/>"
    payload = f"<displayed xmlns='{DISPLAYED}'>{named}</displayed>"
    assert condition(publish(client, DISPLAYED, payload, item_id=jid, extra=private())) == ()


def private() -> str:
    """Publish-options of a node that nobody else reads."""
    return options(persist_items="true", max_items="max", send_last_published_item="never", access_model="whitelist")


def bookmark(client: Client, room: str, inside: str = "", nick: str = "") -> None:
    """Bookmark a room (XEP-0402)."""
    named = f"<nick>{nick}</nick>" if nick else ""
    payload = f"<conference xmlns='{BOOKMARKS}'>{named}<extensions>{inside}</extensions></conference>"
    assert condition(publish(client, BOOKMARKS, payload, item_id=room, extra=private())) == ()


def settle(client: Client, jid: str, inside: str) -> None:
    """Publish settings of a conversation with a contact."""
    payload = f"<conversation xmlns='{OWN}'>{inside}</conversation>"
    assert condition(publish(client, OWN, payload, item_id=jid, extra=private())) == ()
