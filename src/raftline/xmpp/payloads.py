"""
Payloads that several modules share: timestamps, result sets, data forms, and what to make of an outcome.

Modules do not know one another (module.py); what two of them need lives here. All functions are pure.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from raftline.base.errors import Refused
from raftline.base.ids import Epochs, Position, format_stanza_id, parse_stanza_id
from raftline.base.timestamps import format_timestamp
from raftline.machine.blocking import BLOCKED_BY_SENDER
from raftline.machine.commands import Action
from raftline.machine.outcomes import Outcome, Rejected, Stale
from raftline.xmpp.effects import Effect, propose
from raftline.xmpp.element import Element, escape_attribute
from raftline.xmpp.jid import JID, parse_jid
from raftline.xmpp.xmlstream import ElementReceived, parse_element

if TYPE_CHECKING:
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza

CARBONS_NAMESPACE: Final = "urn:xmpp:carbons:2"
DELAY_NAMESPACE: Final = "urn:xmpp:delay"
FORM_NAMESPACE: Final = "jabber:x:data"
HINTS_NAMESPACE: Final = "urn:xmpp:hints"
RSM_NAMESPACE: Final = "http://jabber.org/protocol/rsm"
VALIDATE_NAMESPACE: Final = "http://jabber.org/protocol/xdata-validate"
STANZA_ID_NAMESPACE: Final = "urn:xmpp:sid:0"

TRUE: Final = frozenset({"true", "1"})
"""How XML writes that something is so (XML Schema part 2, section 3.2.2.1)."""

ROUTED: Final = Element("routed", "")
"""What the handler of a request returns when somebody else answers it."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_TIMESTAMP: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,20}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
_IMPORT_MARK: Final = re.compile(
    rb"(?P<tag><message(?: [^>'\"]*(?:'[^']*'|\"[^\"]*\"))*>)"
    rb"<delay xmlns='urn:xmpp:delay' from='(?P<domain>[^']*)' stamp='(?P<stamp>[^']*)'/>"
)
"""As `Element.to_bytes` and `delay_element` write it."""
_ADDRESSED: Final = re.compile(rb"<presence(?: from='[^']*')? to=")
_COUNT: Final = re.compile(r"\d{1,10}", re.ASCII)


# Time (XEP-0082)


def parse_timestamp(text: str, *, round_up: bool = False) -> int:
    """
    Read a DateTime as milliseconds since 1970 (XEP-0082 section 3.2).

    Args:
        round_up: Take the next millisecond rather than the last one when the fraction is finer, so that "not before
            this moment" stays exact.

    Raises:
        ValueError: It is none.
    """
    match = _TIMESTAMP.fullmatch(text.strip())
    if match is None:
        raise ValueError("not a DateTime of XEP-0082")
    year, month, day, hour, minute, second = (int(group) for group in match.groups()[:6])
    fraction, sign, offset_hours, offset_minutes = match.groups()[6:]
    zone = UTC
    if sign:
        offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
        zone = timezone(-offset if sign == "-" else offset)
    moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
    digits = (fraction or "").ljust(3, "0")
    time_ms = (moment - _EPOCH) // _MILLISECOND + int(digits[:3])
    return time_ms + 1 if round_up and digits[3:].strip("0") else time_ms


def delay_element(time_ms: int, by: str | None = None) -> str:
    """Write the mark of delayed delivery: when it was sent and, unless None, by whom it was kept (XEP-0203)."""
    source = "" if by is None else f" from='{escape_attribute(by)}'"
    return f"<delay xmlns='{DELAY_NAMESPACE}'{source} stamp='{format_timestamp(time_ms)}'/>"


def imported_at(stanza: bytes, domain: str) -> int | None:
    """
    Return when a message was sent that was imported (XEP-0227); None for one that was sent here.

    An imported one says so in its first child, a delay by this server; of what clients send no such child is kept.
    """
    match = _IMPORT_MARK.match(stanza)
    if match is None or match["domain"] != domain.encode():
        return None
    return parse_timestamp(match["stamp"].decode())


def without_import_mark(stanza: bytes, domain: str) -> bytes:
    """Return a message without the mark of its import, if it has one."""
    match = _IMPORT_MARK.match(stanza)
    if match is None or match["domain"] != domain.encode():
        return stanza
    return match["tag"] + stanza[match.end() :]


def is_delay_of_ours(domain: str, child: Element) -> bool:
    """Whether a child claims that this server delayed the stanza, which no client can know (XEP-0203 section 5)."""
    if child.name != "delay" or child.namespace != DELAY_NAMESPACE:
        return False
    try:
        return parse_jid(child.attributes.get("from", "")) == JID("", domain, "")
    except ValueError:
        return False  # nobody's address, so not ours


# Stanzas


def stanza_id_element(owner: str, epochs: Epochs, position: Position) -> bytes:
    """Write the id of a message in the archive of `owner`, a bare JID (XEP-0359 section 3)."""
    return b"%b%b'/>" % (_stanza_id_head(owner), format_stanza_id(epochs, position).encode())


def own_position(stanza_id: str, epochs: Epochs) -> Position | None:
    """Read a stanza id back; None if this cluster did not write it."""
    parsed = parse_stanza_id(stanza_id)
    if parsed is None or parsed[1] >= 1 << 63 or format_stanza_id(epochs, parsed[1]) != stanza_id:
        return None
    return parsed[1]


@lru_cache(maxsize=4096)
def _stanza_id_head(owner: str) -> bytes:
    return f"<stanza-id xmlns='{STANZA_ID_NAMESPACE}' by='{escape_attribute(owner)}' id='".encode()


def append_child(stanza: bytes, child: bytes) -> bytes:
    """Put a serialized child behind the others of a serialized stanza, whose root has no prefix."""
    if stanza.endswith(b"/>"):
        name = stanza[1:-2].partition(b" ")[0]
        return b"%b>%b</%b>" % (stanza[:-2], child, name)
    end = stanza.rindex(b"</")
    return b"%b%b%b" % (stanza[:end], child, stanza[end:])


def address_presence(presence: bytes, to: str) -> bytes:
    """
    Address a presence stanza that was kept without `to`; one that has it, such as a subscription request, stays.

    Args:
        presence: As `Stanza.stamped` writes it.
    """
    if _ADDRESSED.match(presence):
        return presence
    return presence[:9] + _to_attribute(to) + presence[9:]


@lru_cache(maxsize=4096)
def _to_attribute(to: str) -> bytes:
    return f" to='{escape_attribute(to)}'".encode()


def concerns_own_account(context: StreamContext, stanza: Stanza) -> bool:
    """Whether a stanza handled on behalf of an account is about the user's own (RFC 6120 section 10.3)."""
    return stanza.to is None or stanza.to == context.jid.bare


def stored_element(data: bytes) -> Element:
    """Read an element that was kept as `Element.to_bytes("")` writes it."""
    received = parse_element(data)
    assert isinstance(received, ElementReceived), "only what was parsed is kept"
    return received.element


# Outcomes


def require_effect(outcome: Outcome) -> None:
    """
    Return when the command took effect, here or at an earlier try.

    Raises:
        Refused: It did not: with the reason of the rejection, or to be tried again when the session is over.
    """
    if isinstance(outcome, Rejected):
        raise Refused(*outcome)
    if isinstance(outcome, Stale):
        raise Refused("resource-constraint", "wait", "The session is over; bind a new one and try again.")


def propose_or_refuse(action: Action) -> Generator[Effect, Outcome, None]:
    """Propose, wait, and raise Refused unless the command took effect."""
    require_effect((yield from propose(action)))


def blocked_by_user() -> Refused:
    """Make the refusal of what goes to an address that the user has blocked (XEP-0191 section 3.3)."""
    return Refused(*BLOCKED_BY_SENDER)


def require_own(context: StreamContext, stanza: Stanza) -> None:
    """
    Return when a stanza is about the user's own account.

    Raises:
        Refused: `forbidden` when it is about another one's.
    """
    if not concerns_own_account(context, stanza):
        raise Refused("forbidden", "auth", "This belongs to somebody else.")


# Result sets (XEP-0059)


class PageRequest(NamedTuple):
    """
    Which page of a result set is asked for (XEP-0059 section 2).

    Attributes:
        limit: Items at most; None when not said. 0 asks for the count alone.
        after, before: Ids of items that border the page; None when not said.
        backward: The page ends where `before` says, or at the end of the set.
    """

    limit: int | None = None
    after: str | None = None
    before: str | None = None
    backward: bool = False


def parse_page_request(parent: Element) -> PageRequest:
    """
    Read the `<set/>` inside a query; defaults when there is none.

    Raises:
        Refused: `bad-request` for a maximum that is no number, `feature-not-implemented` for a page by index, which a
            log that grows at its end and is filtered cannot find without a count (XEP-0059 section 2.6).
    """
    request = parent.child("set", RSM_NAMESPACE)
    if request is None:
        return PageRequest()
    if request.child("index", RSM_NAMESPACE) is not None:
        raise Refused("feature-not-implemented", "cancel", "Pages are found by item, not by index.")
    limit = None
    maximum = request.child("max", RSM_NAMESPACE)
    if maximum is not None:
        text = maximum.text.strip()
        if not _COUNT.fullmatch(text):
            raise Refused("bad-request", "modify", "The maximum is not a number.")
        limit = int(text)
    after, before = request.child("after", RSM_NAMESPACE), request.child("before", RSM_NAMESPACE)
    return PageRequest(
        limit=limit,
        after=None if after is None else after.text or None,
        before=None if before is None else before.text or None,
        backward=before is not None,
    )


def page_element(first: str | None, last: str | None, index: int | None, count: int | None) -> Element:
    """
    Make the `<set/>` of an answer.

    Args:
        first, last: Ids of the first and last item of the page; None for an empty page.
        index: Items of the whole set before the page; None when not known.
        count: Items of the whole set; None when not known.
    """
    answer = Element("set", RSM_NAMESPACE)
    if first is not None and last is not None:
        attributes = {} if index is None else {"index": str(index)}
        answer.children.append(Element("first", RSM_NAMESPACE, attributes, [first]))
        answer.children.append(Element("last", RSM_NAMESPACE, None, [last]))
    if count is not None:
        answer.children.append(Element("count", RSM_NAMESPACE, None, [str(count)]))
    return answer


# Data forms (XEP-0004, XEP-0068)


def parse_form(parent: Element, form_type: str) -> dict[str, list[str]] | None:
    """
    Read the submitted form inside a query: its fields' values by name, without FORM_TYPE; None when there is none.

    Args:
        form_type: Empty where none is demanded.

    Raises:
        Refused: `bad-request` when it is not of type `submit`, not of this FORM_TYPE, or has a field without a name or
            twice.
    """
    form = parent.child("x", FORM_NAMESPACE)
    if form is None:
        return None
    if form.get("type") != "submit":
        raise Refused("bad-request", "modify", "The form is not of type submit.")
    fields: dict[str, list[str]] = {}
    for field in form.elements():
        if field.name != "field" or field.namespace != FORM_NAMESPACE:
            continue
        name = field.get("var")
        if not name or name in fields:
            raise Refused("bad-request", "modify", "A field of the form has no name or comes twice.")
        fields[name] = [
            value.text for value in field.elements() if value.name == "value" and value.namespace == FORM_NAMESPACE
        ]
    if fields.pop("FORM_TYPE", None) != [form_type] and form_type:
        raise Refused("bad-request", "modify", f"The form is not of type {form_type}.")
    return fields


def form_type_of(parent: Element) -> str:
    """Return the FORM_TYPE of the form inside a query or a message, whatever its type; empty without one."""
    form = parent.child("x", FORM_NAMESPACE)
    for field in () if form is None else form.elements():
        if field.name == "field" and field.get("var") == "FORM_TYPE":
            value = field.child("value", FORM_NAMESPACE)
            return "" if value is None else value.text
    return ""


def form_field(name: str, kind: str, *values: str) -> Element:
    """Make one field of a data form."""
    content: list[Element | str] = [Element("value", FORM_NAMESPACE, None, [value]) for value in values]
    return Element("field", FORM_NAMESPACE, {"type": kind, "var": name}, content)
