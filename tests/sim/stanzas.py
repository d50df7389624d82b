"""
What devices say: stanzas, as far as a node can tell them apart, and the commands that they cause.

Nothing here is XML that a client would write; it is what the protocol floor makes of that, since devices work on the
node's door.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Final

from msgspec.structs import asdict

from raftline.machine.commands import (
    Action,
    ChangeBlocklist,
    ChangeSubscription,
    DeclareInterest,
    PrivateElement,
    SetCarbons,
    SetPresence,
    SetRosterItem,
    SetVcard,
    StorePrivate,
    SubscriptionKind,
)
from raftline.machine.history.commands import Retraction
from raftline.machine.message_commands import MessageKind, SendEphemeral, SendMessage, Storage
from raftline.machine.queries import PrivateOf, Query, VcardOf
from sim.histories import Attempt
from sim.promises import Message
from sim.talk import Said, Talk, enter_action, leave_action, open_action, speak_action

DOMAIN: Final = "example.test"

RETRACTED: Final = "retracted"
"""A word in the place of what was retracted."""

_SERIAL: Final = re.compile(rb"<message [^>]* id='m(\d+)'")  # in the start tag, which outlives the content
_INDEX: Final = re.compile(rb"<ping index='(\d+)'/>")
_QUESTION: Final = re.compile(rb"<iq from='([^@']*)@[^/']*(/[^']*)' to='[^']*' id='([^']*)' type='get'>")
_PRIVATE_NAMESPACE: Final = "example:simulation"
_VCARD: Final = "vcard"


@dataclass(eq=False)
class Stanza:
    """
    One stanza of a device.

    Attributes:
        action: What it causes; None for one that travels off the log, to `receiver`, or goes nowhere.
        receiver: An account, or one resource of it as `account/resource`.
        request_id: Of the question that it answers; empty for a question.
        message, attempt, said: What is known of it under another name.
        is_refused: It had no effect, as its session's edge knows; `refusal_is_known` once the device knows it too.
        waits_for_replicas: Its answer waits until the account's other nodes follow (XEP-0191).
    """

    kind: str
    action: Action | None = None
    receiver: str = ""
    request_id: str = ""
    message: Message | None = None
    attempt: Attempt | None = None
    said: Said | None = None
    is_refused: bool = False
    refusal_is_known: bool = False
    waits_for_replicas: bool = False


def message_stanza(message: Message, resource: str, chance: random.Random, retracted: Message | None = None) -> Stanza:
    """
    A chat message; its origin id is its serial number.

    Args:
        retracted: What it takes back, which goes on being known by its serial number.
    """
    body = f"{message.serial} {'x' * chance.choice((0, 0, 10, 100, 1000))}"
    addresses = f"from='{message.sender}@{DOMAIN}/{resource}' to='{message.recipient}@{DOMAIN}'"
    head = f"<message {addresses} type='chat' id='m{message.serial}'>"
    storage = Storage.ARCHIVE | Storage.OFFLINE
    if chance.random() < 0.3:
        storage |= Storage.COPY
    action = SendMessage(
        message.recipient,
        None,
        MessageKind.CHAT,
        int(storage),
        f"{head}<body>{body}</body></message>".encode(),
        f"origin-{message.serial}",
        b"%08d" % message.serial,
        None if retracted is None else _retraction_of(retracted),
    )
    if message.timer_s:
        action = SendEphemeral(**asdict(action), timer_s=message.timer_s)
    return Stanza("message", action, message=message)


def _retraction_of(message: Message) -> Retraction:
    head = f"<body>{message.serial} {RETRACTED} "
    return Retraction((min(message.positions),), head.encode(), b"</body>")


def is_tombstone(stanza: bytes) -> bool:
    """Tell whether a message was retracted."""
    return f" {RETRACTED} ".encode() in stanza


def has_disappeared(stanza: bytes) -> bool:
    """Tell whether a message has lost its content because its time was over."""
    return b"<ephemeral " in stanza and b"<body>" not in stanza


def serial_of(stanza: bytes) -> int:
    """Return the serial number of a message."""
    found = _SERIAL.match(stanza)
    assert found is not None, stanza
    return int(found[1])


def presence_stanza(name: str, resource: str, *, is_available: bool = True) -> Stanza:
    """Broadcast presence."""
    kind = "" if is_available else " type='unavailable'"
    stanza = f"<presence from='{name}@{DOMAIN}/{resource}'{kind}/>".encode()
    return Stanza("presence", SetPresence(stanza, 0 if is_available else None))


def interest_stanza() -> Stanza:
    """Ask for roster pushes."""
    return Stanza("interest", DeclareInterest())


def register_stanza(attempt: Attempt) -> Stanza:
    """Set the register that an attempt is about."""
    assert attempt.value is not None
    name = attempt.key.partition(":")[2]
    if name == _VCARD:
        return Stanza("vcard", SetVcard(attempt.value), attempt=attempt)
    element = PrivateElement(_PRIVATE_NAMESPACE, name, attempt.value)
    return Stanza("private", StorePrivate((element,)), attempt=attempt)


def register_key(account: str, chance: random.Random) -> str:
    """Choose a register of an account."""
    return f"{account}:{chance.choice((_VCARD, 'one', 'two'))}"


def register_query(key: str) -> Query:
    """Read a register."""
    account, _, name = key.partition(":")
    return VcardOf(account) if name == _VCARD else PrivateOf(account, _PRIVATE_NAMESPACE, name)


def minor_stanza(name: str, resource: str, contact: str, chance: random.Random) -> Stanza:
    """Something else that a client does now and then; none of it keeps a strict message from arriving."""
    kind = chance.choice(("roster", "subscription", "carbons", "interest", "presence", "nothing", "off log"))
    contact_jid = f"{contact}@{DOMAIN}"
    if kind == "roster":
        return Stanza(kind, SetRosterItem(contact_jid, f"name {chance.randrange(100)}", ()))
    if kind == "subscription":
        change = chance.choice(list(SubscriptionKind))
        text = f"<presence type='{change.name.lower()}' from='{name}@{DOMAIN}' to='{contact_jid}'/>"
        return Stanza(kind, ChangeSubscription(change, contact_jid, text.encode()))
    if kind == "carbons":
        return Stanza(kind, SetCarbons(chance.random() < 0.7))
    if kind == "interest":
        return interest_stanza()
    if kind == "presence":
        return presence_stanza(name, resource)
    return Stanza(kind, receiver=contact if kind == "off log" else "")


def block_stanza(contact: str, *, is_blocked: bool) -> Stanza:
    """Block somebody, or no longer."""
    return Stanza("block", ChangeBlocklist(is_blocked, (f"{contact}@{DOMAIN}",)), waits_for_replicas=True)


def room_stanzas(device: str, talk: Talk, chance: random.Random, *, is_inside: bool) -> list[Stanza]:
    """Something that a device does in the room: it enters first, and somebody opens it before anybody speaks."""
    opening = [] if talk.is_open else [Stanza("open", open_action())]
    if not is_inside:
        return [Stanza("enter", enter_action(device)), *opening]
    if chance.random() < 0.05:
        return [Stanza("leave", leave_action())]
    if opening:
        return opening
    said = talk.says(device)
    return [Stanza("say", speak_action(said), said=said)]


def off_log_stanza(sender: str, receiver: str, request_id: str, applied_index: int) -> bytes:
    """Ask a session something, or answer it, and say how far the sender's replica has come."""
    is_answer = request_id.startswith("a")
    kind = "result" if is_answer else "get"
    text = f"<iq from='{sender}' to='{receiver}' id='{request_id}' type='{kind}'><ping index='{applied_index}'/></iq>"
    return text.encode()


def index_in(stanza: bytes) -> int | None:
    """Return how far the sender of an off-log stanza had come; None in an answer that a node itself has made."""
    found = _INDEX.search(stanza)
    return None if found is None else int(found[1])


def answer_to(stanza: bytes) -> Stanza | None:
    """Return the answer to a question that came off the log; None if it is none."""
    found = _QUESTION.match(stanza)
    if found is None:
        return None
    return Stanza("answer", receiver=(found[1] + found[2]).decode(), request_id=f"a{found[3].decode()}")
