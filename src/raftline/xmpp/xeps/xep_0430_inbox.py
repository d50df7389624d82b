"""
XEP-0430 Inbox: the conversations of an account in one query, the latest first.

What is counted, and from where, is told in machine/conversations. The text leaves open what an entry is called when
pages are asked for: it is the id of its last message, as the order is that of last activity, and its address while
there is none, after all the others. So a conversation that moves to the front while a client turns pages is not told
of again: its messages come by themselves.

What the text does not have stands in a child of the entry, in a namespace of our own (docs/conversations.md):
mentions, and what the user's devices have settled on: pinned, archived, muted.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from raftline.base.errors import Refused
from raftline.base.ids import format_stanza_id
from raftline.base.limits import (
    CONVERSATION_PAGE_COUNT_MAX,
    UNREAD_REACH_MAX,
    UNREAD_REACH_MIN,
    UNREAD_TOTAL_MAX,
)
from raftline.machine.conversations.queries import ConversationsOf, LastMessagesOf
from raftline.machine.conversations.values import Conversation, ConversationSlice
from raftline.xmpp.conversation_settings import NAMESPACE, Settings, settings_of
from raftline.xmpp.effects import Effect, ask
from raftline.xmpp.element import Element, escape_attribute
from raftline.xmpp.jid import parse_jid
from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import (
    TRUE,
    PageRequest,
    delay_element,
    own_position,
    page_element,
    parse_page_request,
    require_own,
)
from raftline.xmpp.stanza import with_namespace

if TYPE_CHECKING:
    from raftline.machine.queries import ArchiveRow
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza

INBOX_NAMESPACE: Final = "urn:xmpp:inbox:1"
PAGE_LIMIT_DEFAULT: Final = 50
"""Entries of a page when the client names no maximum."""

_BOOLEANS: Final = TRUE | {"false", "0"}

Order = tuple[int, str]
"""Sorts conversations: by last activity, the latest first, then by address."""


class _Page(NamedTuple):
    """A page of the list, and how many entries lie before it."""

    entries: list[Conversation]
    offset: int


def register(modules: Modules) -> None:
    """Offer the list on the account."""
    modules.declare(
        Declaration(
            number=430,
            title="Inbox",
            version="0.2.0",
            account_features=(INBOX_NAMESPACE, NAMESPACE),
            note="The text is deferred. Unread messages are counted up to a thousand back; pages by index are refused.",
        )
    )
    modules.on_iq("account", "get", INBOX_NAMESPACE, "inbox", handle_inbox)


def handle_inbox(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Send a page of entries, then return the totals (section 3.1).

    Raises:
        Refused: `forbidden` for another account's list, `bad-request` for a flag that is none or a bad maximum,
            `item-not-found` for an id to go on from that cannot be one, `feature-not-implemented` for a page by index.
    """
    require_own(context, stanza)
    query = stanza.element.child("inbox", INBOX_NAMESPACE)
    assert query is not None, "dispatch found the payload by this name"
    unread_only, has_messages = _flag(query, "unread-only", default=False), _flag(query, "messages", default=True)
    paging = parse_page_request(query)
    bounds = [None if bound is None else _order_named(context, bound) for bound in (paging.after, paging.before)]
    everything = yield from _conversations(context)
    listed = [found for found in everything if found.unread] if unread_only else everything
    page = _page_of(listed, bounds[0], bounds[1], paging)
    rows: list[ArchiveRow | None] = [None] * len(page.entries)
    if has_messages and page.entries:
        page, rows = yield from _with_messages(context, page, backward=paging.backward)
    settings = yield from settings_of(context, [entry.jid for entry in page.entries])
    for entry, row in zip(page.entries, rows, strict=True):
        _send_entry(context, stanza, entry, row, settings[entry.jid])
    return _summary(context, everything, listed, page)


def _flag(query: Element, name: str, *, default: bool) -> bool:
    value = query.get(name)
    if value is None:
        return default
    if value not in _BOOLEANS:
        raise Refused("bad-request", "modify", f"{name} is true or false.")
    return value in TRUE


def _conversations(context: StreamContext) -> Generator[Effect, Any, list[Conversation]]:
    """Return all conversations, in order."""
    found: list[Conversation] = []
    unread = 0
    question = ConversationsOf(context.jid.local, context.epochs)
    while True:
        part = yield from ask(question, ConversationSlice)
        found += part.conversations
        if part.next is None:
            return sorted(found, key=_order_of)
        unread += sum(conversation.unread for conversation in part.conversations)
        reach = UNREAD_REACH_MAX if unread < UNREAD_TOTAL_MAX else UNREAD_REACH_MIN
        question = ConversationsOf(context.jid.local, context.epochs, part.next, reach)


def _order_of(conversation: Conversation) -> Order:
    return -conversation.position, conversation.jid


def _order_named(context: StreamContext, name: str) -> Order:
    """Return where an entry stands, or stood, in the list, by what it is called."""
    position = own_position(name, context.epochs)
    if position is not None:
        return -position, ""
    try:
        return 0, str(parse_jid(name))
    except ValueError as error:
        raise Refused("item-not-found", "cancel", "There is no such entry to go on from.") from error


def _name_of(context: StreamContext, conversation: Conversation) -> str:
    """Return what an entry is called: the id of its last message, or its address."""
    if conversation.position:
        return format_stanza_id(context.epochs, conversation.position)
    return conversation.jid


def _page_of(listed: list[Conversation], after: Order | None, before: Order | None, paging: PageRequest) -> _Page:
    """Cut the page that is asked for (XEP-0059 section 2)."""
    orders = [(order[0], "") if order[0] else order for order in map(_order_of, listed)]
    start = 0 if after is None else sum(order <= after for order in orders)
    end = len(orders) if before is None else sum(order < before for order in orders)
    limit = PAGE_LIMIT_DEFAULT if paging.limit is None else min(paging.limit, CONVERSATION_PAGE_COUNT_MAX)
    if paging.backward:
        start = max(start, end - limit)
    else:
        end = min(end, start + limit)
    return _Page(listed[start:end], start)


def _with_messages(
    context: StreamContext, page: _Page, *, backward: bool
) -> Generator[Effect, Any, tuple[_Page, list[ArchiveRow | None]]]:
    """Return the last messages of a page, which is cut at its far end when they are too large."""
    jids = [entry.jid for entry in page.entries]
    if backward:
        jids.reverse()
    rows: list[ArchiveRow | None] = yield from ask(LastMessagesOf(context.jid.local, tuple(jids)), list)
    count = len(rows)
    if not backward:
        return _Page(page.entries[:count], page.offset), rows
    cut = len(page.entries) - count
    return _Page(page.entries[cut:], page.offset + cut), rows[::-1]


def _send_entry(
    context: StreamContext, stanza: Stanza, entry: Conversation, row: ArchiveRow | None, settings: Settings
) -> None:
    """Send an entry, and the message beside it if there is one."""
    attributes = {"unread": str(entry.unread), "jid": entry.jid}
    if entry.position:
        attributes["id"] = format_stanza_id(context.epochs, entry.position)
    state = _state_element(entry, settings)
    element = Element("entry", INBOX_NAMESPACE, attributes, [] if state is None else [state])
    addresses = f"from='{escape_attribute(str(context.jid.bare))}' to='{escape_attribute(str(context.jid))}'"
    parts = [f"<message {addresses} id='{context.new_id()}'>".encode(), element.to_bytes()]
    if row is not None:
        head = (
            f"<result xmlns='urn:xmpp:mam:2' queryid='{escape_attribute(stanza.id)}'"
            f" id='{format_stanza_id(context.epochs, row.position)}'>"
            f"<forwarded xmlns='urn:xmpp:forward:0'>{delay_element(row.time_ms)}"
        )
        parts += [head.encode(), with_namespace(row.stanza), b"</forwarded></result>"]
    context.send(b"".join((*parts, b"</message>")))


def _state_element(entry: Conversation, settings: Settings) -> Element | None:
    """Write what the XEP has no place for; None for nothing out of the ordinary."""
    attributes = {"mentions": str(entry.mentions)} if entry.mentions else {}
    attributes |= {name: "true" for name, is_so in zip(settings._fields, settings, strict=True) if is_so}
    return Element("state", NAMESPACE, attributes) if attributes else None


def _summary(
    context: StreamContext, everything: Iterable[Conversation], listed: list[Conversation], page: _Page
) -> Element:
    """Write the totals of the whole list, and which page of what was asked for this is."""
    counts = [conversation.unread for conversation in everything]
    attributes = {
        "total": str(len(counts)),
        "unread": str(sum(count > 0 for count in counts)),
        "all-unread": str(sum(counts)),
    }
    names = [_name_of(context, entry) for entry in (page.entries[:1] + page.entries[-1:])]
    first, last = (names[0], names[-1]) if names else (None, None)
    return Element("fin", INBOX_NAMESPACE, attributes, [page_element(first, last, page.offset, len(listed))])
