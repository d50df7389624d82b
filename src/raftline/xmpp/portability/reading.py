"""A piece of a user's data as the command that puts it into an account (XEP-0227 section 3)."""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from raftline.base.errors import Refused
from raftline.machine.commands import ChangeBlocklist, Credential, PrivateElement, SetVcard, StorePrivate
from raftline.machine.message_commands import Storage
from raftline.machine.portability.commands import ImportedContact, ImportedMessage
from raftline.machine.pubsub.avatars import METADATA_NODE
from raftline.machine.pubsub.commands import Affiliation, ChangeAffiliations, CreateNode, Publish
from raftline.machine.rosters import SUBSCRIPTION_NAMES
from raftline.xmpp.avatars import announced_digest, take_photo
from raftline.xmpp.element import Element
from raftline.xmpp.jid import JID, parse_jid
from raftline.xmpp.messages import is_dropped
from raftline.xmpp.payloads import (
    DELAY_NAMESPACE,
    FORM_NAMESPACE,
    STANZA_ID_NAMESPACE,
    TRUE,
    delay_element,
    parse_timestamp,
    stored_element,
)
from raftline.xmpp.portability.vocabulary import (
    BLOCKING,
    CLIENT,
    ITEM,
    MAM,
    PUBSUB_OWNER_NAMESPACE,
    ROSTER,
    SCRAM_NAMESPACE,
)
from raftline.xmpp.pubsub.node_forms import read_config
from raftline.xmpp.roster import contact_of, groups_of
from raftline.xmpp.sasl import SCRAM_HASHES

Imported = (
    StorePrivate
    | SetVcard
    | ChangeBlocklist
    | CreateNode
    | ChangeAffiliations
    | Publish
    | ImportedContact
    | ImportedMessage
)

FORWARD: Final = "urn:xmpp:forward:0"
ITERATIONS_MAX: Final = 10_000_000
"""More would let a client work for minutes."""
SALT_SIZE_MAX: Final = 256


class NotCarried(Exception):
    """A piece cannot be taken over; `str()` says which, and why."""


def read_credential(element: Element) -> Credential:
    """
    Read what another server kept of a password (section 3.3).

    Raises:
        NotCarried: It is for a mechanism that is not offered here, or cannot be.
    """
    mechanism = element.get("mechanism") or ""
    if mechanism not in SCRAM_HASHES:
        raise NotCarried(f"credentials for {mechanism or 'no mechanism'}, which is not offered here")
    try:
        count = _field(element, "iter-count")
        salt, server_key, stored_key = (
            b64decode(_field(element, name), validate=True) for name in ("salt", "server-key", "stored-key")
        )
    except (binascii.Error, ValueError) as error:
        raise NotCarried(f"credentials for {mechanism}: {error}") from error
    size = hashlib.new(SCRAM_HASHES[mechanism]).digest_size
    is_count = count.isascii() and count.isdigit() and count[0] != "0" and len(count) <= 8
    if not is_count or int(count) > ITERATIONS_MAX or not 0 < len(salt) <= SALT_SIZE_MAX:
        raise NotCarried(f"credentials for {mechanism}: the number of iterations or the salt cannot be")
    if len(server_key) != size or len(stored_key) != size:
        raise NotCarried(f"credentials for {mechanism}: a key has another size")
    return Credential(mechanism, salt, int(count), stored_key, server_key)


def _field(element: Element, name: str) -> str:
    found = [child for child in element.elements() if child.name == name and child.namespace == SCRAM_NAMESPACE]
    if len(found) != 1:
        raise ValueError(f"{name} is not there once")
    return found[0].text.strip()


def read_piece(kind: str, node: str, element: Element, owner: JID) -> Imported:
    """
    Turn a piece into what is done for the account of `owner`, a bare JID.

    Raises:
        NotCarried: With the reason.
    """
    reader = _READERS.get(kind)
    if reader is None:
        raise NotCarried(f"<{element.name} xmlns='{element.namespace}'/>, which is not known here")
    try:
        return _read_item(node, element) if kind == ITEM else reader(element, owner)
    except Refused as refused:
        raise NotCarried(f"{kind} {_name_of(element)}: {refused.text or refused.condition}") from refused
    except ValueError as error:
        raise NotCarried(f"{kind} {_name_of(element)}: {error}") from error


def _name_of(element: Element) -> str:
    return element.get("jid") or element.get("id") or element.get("node") or element.get("from") or element.name


def _read_contact(element: Element, _owner: JID) -> ImportedContact:
    if element.name != "item" or element.namespace != ROSTER:
        raise ValueError("no item of a roster")
    subscription = element.get("subscription") or "none"
    if subscription not in SUBSCRIPTION_NAMES:
        raise ValueError(f"no subscription: {subscription}")
    return ImportedContact(
        str(contact_of(element)),
        is_listed=True,
        name=element.get("name") or "",
        groups=groups_of(element),
        subscription=SUBSCRIPTION_NAMES.index(subscription),
        ask=element.get("ask") == "subscribe",
        approved=element.get("approved") in TRUE,
    )


def _read_request(element: Element, owner: JID) -> ImportedContact:
    if element.get("type") != "subscribe":
        raise ValueError("presence other than a request to subscribe")
    contact = parse_jid(element.get("from") or "").bare
    attributes = {"from": str(contact), "to": str(owner)} | _other_attributes(element)
    stanza = Element("presence", CLIENT, attributes, element.children).to_bytes()
    return ImportedContact(str(contact), is_listed=False, request=stanza)


def _read_private(element: Element, _owner: JID) -> StorePrivate:
    return StorePrivate((PrivateElement(element.namespace, element.name, element.to_bytes("")),))


def _read_card(element: Element, _owner: JID) -> SetVcard:
    return SetVcard(element.to_bytes(""), take_photo(element))


def _read_blocked(element: Element, _owner: JID) -> ChangeBlocklist:
    if element.name != "item" or element.namespace != BLOCKING:
        raise ValueError("no item of a block list")
    return ChangeBlocklist(blocked=True, addresses=(str(parse_jid(element.get("jid") or "")),))


def _read_node(element: Element, _owner: JID) -> CreateNode | ChangeAffiliations:
    """Read configurations and affiliations (section 3.10.1); subscriptions of others are theirs to make anew."""
    node = element.get("node") or ""
    if element.namespace != PUBSUB_OWNER_NAMESPACE or not node:
        raise ValueError("no node is named")
    if element.name == "configure":
        return CreateNode(node, read_config(_submitted(element)))
    if element.name == "affiliations":
        entries = [child for child in element.elements() if child.get("affiliation") in {"member", "outcast"}]
        found = (
            Affiliation(str(parse_jid(child.get("jid") or "").bare), child.get("affiliation") or "")
            for child in entries
        )
        return ChangeAffiliations(node, tuple(found))
    raise ValueError(f"{element.name} of a node are not taken over")


def _submitted(element: Element) -> Element:
    """Return a configuration as its owner would send it; who may publish is the owner alone in any case."""
    form = element.child("x", FORM_NAMESPACE)
    if form is None:
        return element
    fields: list[Element | str] = [
        child for child in form.elements() if child.name == "field" and child.get("var") != "pubsub#publish_model"
    ]
    submitted = Element("x", FORM_NAMESPACE, {"type": "submit"}, fields)
    return Element(element.name, element.namespace, element.attributes, [submitted])


def _read_item(node: str, element: Element) -> Publish:
    payloads = list(element.elements())
    if not node or len(payloads) > 1:
        raise ValueError("an item of no node, or with several payloads")
    avatar = announced_digest(element) if node == METADATA_NODE else None
    payload = payloads[0].to_bytes("") if payloads else b""
    return Publish(node, element.get("id") or "", payload, None, avatar)


def _read_archived(element: Element, owner: JID) -> ImportedMessage:
    forwarded = element.child("forwarded", FORWARD) if (element.name, element.namespace) == ("result", MAM) else None
    message = None if forwarded is None else forwarded.child("message", CLIENT)
    delay = None if forwarded is None else forwarded.child("delay", DELAY_NAMESPACE)
    if message is None or delay is None:
        raise ValueError("no message of an archive with its time")
    return _message(message, delay, owner, Storage.ARCHIVE)


def _read_offline(element: Element, owner: JID) -> ImportedMessage:
    if (element.name, element.namespace) != ("message", CLIENT):
        raise ValueError("no message")
    delays = [child for child in element.elements() if (child.name, child.namespace) == ("delay", DELAY_NAMESPACE)]
    if not delays:
        raise ValueError("nothing says when it was sent")
    # The last one is that of the server that kept it.
    return _message(element, delays[-1], owner, Storage.OFFLINE)


def archive_id_of(offline: Element, owner: JID) -> str:
    """Return the id in the archive of a message that waits, if the file says that it is there; else nothing."""
    for child in offline.elements():
        if child.name == "stanza-id" and child.namespace == STANZA_ID_NAMESPACE and child.get("by") == str(owner):
            return child.get("id") or ""
    return ""


def _message(message: Element, delay: Element, owner: JID, storage: Storage) -> ImportedMessage:
    """Make the command; the stanza says first when it was sent, and nothing that only a server says."""
    sender = parse_jid(message.get("from") or "")
    recipient = parse_jid(message.get("to") or str(owner))
    if owner not in (sender.bare, recipient.bare):
        raise ValueError("a message between others")
    sent_ms = parse_timestamp(delay.get("stamp") or "")
    contact = recipient.bare if sender.bare == owner else sender.bare
    attributes = {"from": str(sender), "to": str(recipient)} | _other_attributes(message)
    mark = stored_element(delay_element(sent_ms, owner.domain).encode())
    children = [
        child
        for child in message.children
        if isinstance(child, str) or not (child is delay or is_dropped(owner.domain, owner.domain, child))
    ]
    stanza = Element("message", CLIENT, attributes, [mark, *children]).to_bytes()
    return ImportedMessage(str(contact), str(sender.bare), sender.resource, recipient.resource, int(storage), stanza)


def _other_attributes(stanza: Element) -> dict[str, str]:
    return {name: value for name, value in stanza.attributes.items() if name not in {"from", "to"}}


_READERS: Final[Mapping[str, Callable[[Element, JID], Imported]]] = MappingProxyType(
    {
        "contact": _read_contact,
        "request": _read_request,
        "private": _read_private,
        "card": _read_card,
        "blocked": _read_blocked,
        "node": _read_node,
        "archived": _read_archived,
        "offline": _read_offline,
        ITEM: lambda element, _owner: _read_item("", element),
    }
)
