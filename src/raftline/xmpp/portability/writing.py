"""What an account keeps, as the children of `<user/>` (XEP-0227 section 3)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable

from raftline.base.ids import Epochs, Position, format_stanza_id
from raftline.machine.commands import Credential, PrivateElement
from raftline.machine.outcomes import RosterItem
from raftline.machine.pubsub.values import NodeDetails, NodeItem
from raftline.machine.queries import ArchiveRow
from raftline.xmpp.element import Element, escape_attribute
from raftline.xmpp.payloads import append_child, delay_element, imported_at, stanza_id_element, without_import_mark
from raftline.xmpp.portability.vocabulary import (
    BLOCKING,
    MAM,
    PRIVATE,
    PUBSUB_NAMESPACE,
    PUBSUB_OWNER_NAMESPACE,
    ROSTER,
    SCRAM_NAMESPACE,
)
from raftline.xmpp.pubsub.node_forms import config_form
from raftline.xmpp.roster import item_element
from raftline.xmpp.stanza import with_namespace


def credentials_xml(credentials: Iterable[Credential]) -> str:
    """Write what is kept of a password (section 3.3): enough to let its owner in, and to guess at it."""
    return "".join(_credential(credential).serialize("") for credential in credentials)


def _credential(credential: Credential) -> Element:
    fields = {
        "iter-count": str(credential.iterations),
        "salt": b64encode(credential.salt).decode(),
        "server-key": b64encode(credential.server_key).decode(),
        "stored-key": b64encode(credential.stored_key).decode(),
    }
    children: list[Element | str] = [Element(name, SCRAM_NAMESPACE, None, [text]) for name, text in fields.items()]
    return Element("scram-credentials", SCRAM_NAMESPACE, {"mechanism": credential.mechanism}, children)


def roster_xml(items: Iterable[RosterItem]) -> str:
    """Write the roster (section 3.4)."""
    return Element("query", ROSTER, None, [item_element(item) for item in items]).serialize("")


def requests_xml(stanzas: Iterable[bytes]) -> str:
    """Write subscription requests that wait for an answer (section 3.9)."""
    return "".join(with_namespace(stanza).decode() for stanza in stanzas)


def private_xml(elements: Iterable[PrivateElement]) -> str:
    """Write private storage (section 3.6)."""
    content = "".join(_in_no_namespace(element.data) for element in elements)
    return f"<query xmlns='{PRIVATE}'>{content}</query>"


def card_xml(card: bytes | None) -> str:
    """Write the card (section 3.7), if there is one; its picture is an item of a node."""
    return "" if card is None else card.decode()


def blocklist_xml(addresses: Iterable[str]) -> str:
    """Write the block list in the form of XEP-0191; the text knows privacy lists alone, other servers do as here."""
    items: list[Element | str] = [Element("item", BLOCKING, {"jid": address}) for address in addresses]
    return Element("blocklist", BLOCKING, None, items).serialize("")


def nodes_xml(nodes: Iterable[NodeDetails]) -> str:
    """Write configurations of nodes, and who may read them (section 3.10.1)."""
    children: list[Element | str] = []
    for node in nodes:
        children.append(Element("configure", PUBSUB_OWNER_NAMESPACE, {"node": node.node}, [config_form(node.config)]))
        if node.affiliations:
            entries: list[Element | str] = [
                Element("affiliation", PUBSUB_OWNER_NAMESPACE, {"jid": jid, "affiliation": affiliation})
                for jid, affiliation in node.affiliations
            ]
            children.append(Element("affiliations", PUBSUB_OWNER_NAMESPACE, {"node": node.node}, entries))
    return Element("pubsub", PUBSUB_OWNER_NAMESPACE, None, children).serialize("")


def items_xml(node: str, items: Iterable[NodeItem]) -> str:
    """Write items of a node, the oldest first, for the inside of `<pubsub/>` (section 3.10.2)."""
    content = "".join(
        f"<item id='{escape_attribute(item.item_id)}'>{_in_no_namespace(item.payload)}</item>" for item in items
    )
    return f"<items node='{escape_attribute(node)}'>{content}</items>"


ITEMS_BEGIN = f"<pubsub xmlns='{PUBSUB_NAMESPACE}'>"
ITEMS_END = "</pubsub>"


def offline_xml(row: ArchiveRow, owner: str, domain: str, epochs: Epochs, *, is_archived: bool) -> str:
    """
    Write a message that waits (section 3.5).

    Of one that the archive has too its id there is told (XEP-0359), so that it does not become two.

    Args:
        owner: Bare JID of the account.
    """
    added = delay_element(_sent_ms(row, domain), domain).encode()
    if is_archived:
        added += stanza_id_element(owner, epochs, row.position)
    return append_child(with_namespace(without_import_mark(row.stanza, domain)), added).decode()


def archived_xml(row: ArchiveRow, domain: str, epochs: Epochs) -> str:
    """Write a message of the archive (section 3.11)."""
    stanza = with_namespace(without_import_mark(row.stanza, domain)).decode()
    return (
        f"<result xmlns='{MAM}' id='{format_stanza_id(epochs, Position(row.position))}'>"
        f"<forwarded xmlns='urn:xmpp:forward:0'>{delay_element(_sent_ms(row, domain))}{stanza}</forwarded></result>"
    )


def user_begin(domain: str, name: str) -> str:
    """Write everything up to a user's data (sections 3, 3.1, 3.2)."""
    return (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        f"<server-data xmlns='urn:xmpp:pie:0'><host jid='{escape_attribute(domain)}'>"
        f"<user name='{escape_attribute(name)}'>"
    )


USER_END = "</user></host></server-data>\n"


def _sent_ms(row: ArchiveRow, domain: str) -> int:
    imported_ms = imported_at(row.stanza, domain)
    return row.time_ms if imported_ms is None else imported_ms


def _in_no_namespace(data: bytes) -> str:
    """Return an element that was written for a place without a default namespace for one that may have one."""
    text = data.decode()
    if not text:
        return ""
    end = min(position for position in (text.find(mark) for mark in (" ", ">", "/")) if position > 0)
    head = text[: text.index(">")]
    return text if "xmlns=" in head else f"{text[:end]} xmlns=''{text[end:]}"
