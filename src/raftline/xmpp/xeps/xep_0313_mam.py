"""
XEP-0313 Message Archive Management: archives by time, contact, id and page.

The archive of a user answers on the bare JID of the account (section 3.3.1); that of a room on the room's
(rooms/archive.py), by the same functions: `Archive` is what they ask of either. An archive id is a stanza id, which is
a position in the log under the cluster's epoch: ids grow in archive order, so a page is a range of keys. A query sends
its results first, as messages, and then returns the summary; nothing of it is kept in between (section 4.3.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.base.ids import Epochs, Position, format_stanza_id
from raftline.base.limits import ARCHIVE_PAGE_ROW_COUNT_MAX, SEARCH_TEXT_SIZE_MAX
from raftline.base.timestamps import format_timestamp
from raftline.machine.queries import ArchiveEnds, ArchivePage, ArchiveRow, Page, Query
from raftline.xmpp.archive_search import SEARCH_FIELD, search_page
from raftline.xmpp.archives import Archive, Filters
from raftline.xmpp.effects import Ask, ask
from raftline.xmpp.element import Element, escape_attribute
from raftline.xmpp.jid import parse_jid
from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import (
    FORM_NAMESPACE,
    RSM_NAMESPACE,
    VALIDATE_NAMESPACE,
    concerns_own_account,
    delay_element,
    form_field,
    imported_at,
    own_position,
    page_element,
    parse_form,
    parse_page_request,
    parse_timestamp,
)
from raftline.xmpp.stanza import with_namespace

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Host, Modules, StanzaHandler, StreamContext
    from raftline.xmpp.stanza import Stanza

MAM_NAMESPACE: Final = "urn:xmpp:mam:2"

PAGE_LIMIT_DEFAULT: Final = 50
"""Rows of a page when the client names no maximum."""

PAGE_BYTES_MAX: Final = 1 << 20
"""
Of the messages of one page, unless the first alone is longer. A page is written at once, so a hundred of the longest
messages would fill the write buffer of a connection and end it.
"""

IDS_COUNT_MAX: Final = ARCHIVE_PAGE_ROW_COUNT_MAX
"""Ids that one query may name; more would not fit on a page."""

_FIELDS: Final = frozenset({"with", "start", "end", "before-id", "after-id", "ids", "include-groupchat", SEARCH_FIELD})
_BOOLEANS: Final = frozenset({"true", "false", "1", "0"})


def register(modules: Modules) -> None:
    """Offer the archives of accounts, and of hosts that were added before."""
    modules.declare(
        Declaration(
            number=313,
            title="Message Archive Management",
            version="1.1.3",
            status="partial",
            account_features=(MAM_NAMESPACE, f"{MAM_NAMESPACE}#extended", f"{MAM_NAMESPACE}#groupchat-field"),
            note="Ids are unique and never used again, but can be guessed (XEP-0359).",
        )
    )
    modules.declare(
        Declaration(
            number=59,
            title="Result Set Management",
            version="1.0",
            account_features=(RSM_NAMESPACE,),
            note="Pages by index are refused (section 2.6).",
        )
    )
    modules.declare(Declaration(number=297, title="Stanza Forwarding", version="1.0"))
    modules.on_iq("account", "set", MAM_NAMESPACE, "query", handle_query)
    modules.on_iq("account", "get", MAM_NAMESPACE, "query", handle_form)
    modules.on_iq("account", "get", MAM_NAMESPACE, "metadata", handle_metadata)
    for host in modules.hosts.values():
        if host.archive_of is not None:
            _offer_at(host, host.archive_of)


def _offer_at(host: Host, archive_of: StanzaHandler) -> None:
    """Offer the archives of entities at a host; `archive_of` finds the one that a user may read."""

    def query_there(context: StreamContext, stanza: Stanza) -> Steps:
        return (yield from answer_query(context, stanza, (yield from archive_of(context, stanza))))

    def form_there(context: StreamContext, stanza: Stanza) -> Steps:
        yield from archive_of(context, stanza)
        return form_element(is_searchable=False)

    def metadata_there(context: StreamContext, stanza: Stanza) -> Steps:
        return (yield from answer_metadata(context, (yield from archive_of(context, stanza))))

    host.on_iq("entity", "set", MAM_NAMESPACE, "query", query_there)
    host.on_iq("entity", "get", MAM_NAMESPACE, "query", form_there)
    host.on_iq("entity", "get", MAM_NAMESPACE, "metadata", metadata_there)


def handle_query(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Send the messages of one page, then return its summary (section 4).

    Raises:
        Refused: `forbidden` for another account's archive, `feature-not-implemented` for an unknown form field
            (section 4.1.5) or a page by index, `item-not-found` for an id that is not in the archive (sections 4.1.3,
            4.3.2) and for a node (section 6.1.3), `bad-request` for a bad form, address, time or maximum,
            `policy-violation` for too many ids or too long a text to search for.
    """
    _require_own(context, stanza)
    return (yield from answer_query(context, stanza, UserArchive(str(context.jid.bare))))


def answer_query(context: StreamContext, stanza: Stanza, archive: Archive) -> Steps:
    """Do so for an archive that the user may read."""
    query = stanza.element.child("query", MAM_NAMESPACE)
    assert query is not None, "dispatch found the payload by this name"
    if query.get("node"):
        raise Refused("item-not-found", "cancel", "An archive has no nodes.")
    filters = _read_filters(context, query)
    paging = parse_page_request(query)
    after = None if paging.after is None else _position_of(context, paging.after)
    before = None if paging.before is None else _position_of(context, paging.before)
    bounds = (filters.after, filters.before, after, before)
    named = {*filters.positions, *(bound for bound in bounds if bound is not None)}
    yield from _require_archived(archive, sorted(named))
    limit = PAGE_LIMIT_DEFAULT if paging.limit is None else min(paging.limit, ARCHIVE_PAGE_ROW_COUNT_MAX)
    narrowed = filters._replace(
        after=max((bound for bound in (filters.after, after) if bound is not None), default=None),
        before=min((bound for bound in (filters.before, before) if bound is not None), default=None),
    )
    question = archive.page(narrowed, backward=paging.backward, limit=max(limit, 1))
    if filters.text is None:
        page = yield from ask(question, Page)
    elif isinstance(question, ArchivePage):
        page = yield from search_page(question, filters.text)
    else:
        raise Refused("feature-not-implemented", "cancel", "This archive cannot be searched for words.")
    if limit == 0:  # only the count was asked for (XEP-0059 section 2.7)
        page = Page([], complete=not page.rows, count=page.count, offset=page.offset)
    page = _bounded(page, backward=paging.backward)
    _send_results(context, query, archive.jid, page.rows)
    # The replica counts without regard to bounds by position, so beside before-id or after-id its counts would be
    # those of another result set, and a search finds no more than a page; they are optional (section 4.3.2).
    counted = filters.after is None and filters.before is None and filters.text is None
    return _summary(context, page, counted=counted)


def handle_form(context: StreamContext, stanza: Stanza) -> Steps:
    """Return the fields that a query may have (section 4.1.5)."""
    _require_own(context, stanza)
    yield from ()  # a handler that asks for nothing
    return form_element(is_searchable=True)


def form_element(*, is_searchable: bool) -> Element:
    """Make the form that tells which fields a query may have, one for words among them or not (XEP-0431)."""
    ids = form_field("ids", "list-multi")
    ids.children.append(
        Element("validate", VALIDATE_NAMESPACE, {"datatype": "xs:string"}, [Element("open", VALIDATE_NAMESPACE)])
    )
    fields: list[Element | str] = [
        form_field("FORM_TYPE", "hidden", MAM_NAMESPACE),
        form_field("with", "jid-single"),
        form_field("start", "text-single"),
        form_field("end", "text-single"),
        form_field("before-id", "text-single"),
        form_field("after-id", "text-single"),
        ids,
        form_field("include-groupchat", "boolean"),
    ]
    if is_searchable:
        fields.append(form_field(SEARCH_FIELD, "text-single"))
    return Element("query", MAM_NAMESPACE, None, [Element("x", FORM_NAMESPACE, {"type": "form"}, fields)])


def handle_metadata(context: StreamContext, stanza: Stanza) -> Steps:
    """Return id and time of the first and the last message (section 5)."""
    _require_own(context, stanza)
    return (yield from answer_metadata(context, UserArchive(str(context.jid.bare))))


def answer_metadata(context: StreamContext, archive: Archive) -> Steps:
    """Do so for an archive that the user may read."""
    ends: tuple[ArchiveRow, ArchiveRow] | None = yield Ask(archive.ends())
    return metadata_element(ends, context.epochs)


def metadata_element(ends: tuple[ArchiveRow, ArchiveRow] | None, epochs: Epochs) -> Element:
    """Write the first and the last message of an archive, if it has any (section 5)."""
    metadata = Element("metadata", MAM_NAMESPACE)
    if ends is not None:
        for name, row in zip(("start", "end"), ends, strict=True):
            stanza_id = format_stanza_id(epochs, row.position)
            attributes = {"id": stanza_id, "timestamp": format_timestamp(row.time_ms)}
            metadata.children.append(Element(name, MAM_NAMESPACE, attributes))
    return metadata


@dataclass(frozen=True, slots=True)
class UserArchive:
    """The archive of an account."""

    jid: str

    def page(self, filters: Filters, *, backward: bool, limit: int) -> Query:
        """See `Archive`."""
        return ArchivePage(
            owner=self.jid,
            contact=filters.contact,
            start_ms=filters.start_ms,
            end_ms=filters.end_ms,
            after=filters.after,
            before=filters.before,
            positions=filters.positions,
            backward=backward,
            limit=limit,
        )

    def ends(self) -> Query:
        """See `Archive`."""
        return ArchiveEnds(self.jid)


def _read_filters(context: StreamContext, query: Element) -> Filters:
    """
    Read the form; a field without a value, which a person left empty, says nothing.

    Users' archives hold no messages of rooms, whether they are asked for or not (section 4.1.4).
    """
    fields = parse_form(query, MAM_NAMESPACE) or {}
    unknown = fields.keys() - _FIELDS
    if unknown:
        raise Refused("feature-not-implemented", "cancel", f"There is no field {min(unknown)}.")
    if any(len(text) > SEARCH_TEXT_SIZE_MAX for text in fields.get(SEARCH_FIELD, [])):
        raise Refused("policy-violation", "modify", f"Search for at most {SEARCH_TEXT_SIZE_MAX} characters.")
    ids = dict.fromkeys(value for value in fields.get("ids", []) if value)
    if len(ids) > IDS_COUNT_MAX:
        raise Refused("policy-violation", "modify", f"A query names at most {IDS_COUNT_MAX} ids.")
    try:
        contact, start = _single(fields, "with"), _single(fields, "start")
        text = _single(fields, SEARCH_FIELD)
        _require_boolean(fields, "include-groupchat")
        end, after, before = _single(fields, "end"), _single(fields, "after-id"), _single(fields, "before-id")
        return Filters(
            contact=None if contact is None else str(parse_jid(contact)),
            start_ms=None if start is None else parse_timestamp(start, round_up=True),
            end_ms=None if end is None else parse_timestamp(end),
            after=None if after is None else _position_of(context, after),
            before=None if before is None else _position_of(context, before),
            positions=tuple(_position_of(context, value) for value in ids),
            text=text,
        )
    except ValueError as error:
        raise Refused("bad-request", "modify", f"A field of the form is wrong: {error}.") from error


def _single(fields: dict[str, list[str]], name: str) -> str | None:
    values = [value for value in fields.get(name, []) if value]
    if len(values) > 1:
        raise ValueError(f"{name} has more than one value")
    return values[0] if values else None


def _require_boolean(fields: dict[str, list[str]], name: str) -> None:
    """Refuse a value that is neither true nor false (XEP-0004 section 3.3)."""
    value = _single(fields, name)
    if value is not None and value not in _BOOLEANS:
        raise ValueError(f"{name} is neither true nor false")


def _position_of(context: StreamContext, stanza_id: str) -> Position:
    """Read an archive id; what this cluster never wrote is not in the archive (sections 4.1.3, 4.3.2)."""
    position = own_position(stanza_id, context.epochs)
    if position is not None:
        return position
    raise Refused("item-not-found", "cancel", "There is no message of this id in the archive.")


def _require_archived(archive: Archive, positions: list[Position]) -> Steps:
    """Refuse unless all of these are in the archive."""
    for begin in range(0, len(positions), ARCHIVE_PAGE_ROW_COUNT_MAX):
        some = tuple(positions[begin : begin + ARCHIVE_PAGE_ROW_COUNT_MAX])
        page = yield from ask(archive.page(Filters(positions=some), backward=False, limit=len(some)), Page)
        if len(page.rows) < len(some):
            raise Refused("item-not-found", "cancel", "There is no message of this id in the archive.")


def _bounded(page: Page, *, backward: bool) -> Page:
    """Cut a page that is too long to be written at once, at the end it does not begin from (section 4.3.1)."""
    budget = PAGE_BYTES_MAX
    kept = 0
    for row in reversed(page.rows) if backward else page.rows:
        budget -= len(row.stanza)
        if budget < 0 and kept:
            break
        kept += 1
    cut = len(page.rows) - kept
    if not cut:
        return page
    if backward:
        return Page(page.rows[cut:], complete=False, count=page.count, offset=page.offset + cut)
    return Page(page.rows[:kept], complete=False, count=page.count, offset=page.offset)


def _send_results(context: StreamContext, query: Element, jid: str, rows: list[ArchiveRow]) -> None:
    """Send the rows as messages, in order or, for a flipped page, the other way round (sections 4.2, 4.3.4)."""
    owner, epochs = escape_attribute(jid), context.epochs
    addresses = f"from='{owner}' to='{escape_attribute(str(context.jid))}'"
    query_id = query.get("queryid")
    marked = "" if query_id is None else f" queryid='{escape_attribute(query_id)}'"
    flipped = query.child("flip-page", MAM_NAMESPACE) is not None
    for row in reversed(rows) if flipped else rows:
        imported_ms = imported_at(row.stanza, context.domain)
        sent_ms = row.time_ms if imported_ms is None else imported_ms
        head = (
            f"<message {addresses} id='{context.new_id()}'>"
            f"<result xmlns='{MAM_NAMESPACE}'{marked} id='{format_stanza_id(epochs, row.position)}'>"
            f"<forwarded xmlns='urn:xmpp:forward:0'>{delay_element(sent_ms)}"
        )
        context.send(b"%b%b</forwarded></result></message>" % (head.encode(), with_namespace(row.stanza)))


def _summary(context: StreamContext, page: Page, *, counted: bool) -> Element:
    """What an applied log says is stable (section 4.3.2): it never changes in sequence or content."""
    attributes = {"stable": "true"}
    if page.complete:
        attributes = {"complete": "true", **attributes}
    ids = [format_stanza_id(context.epochs, row.position) for row in (page.rows[:1] + page.rows[-1:])]
    first, last = (ids[0], ids[-1]) if ids else (None, None)
    summary = page_element(first, last, page.offset if counted else None, page.count if counted else None)
    return Element("fin", MAM_NAMESPACE, attributes, [summary])


def _require_own(context: StreamContext, stanza: Stanza) -> None:
    if not concerns_own_account(context, stanza):
        raise Refused("forbidden", "auth", "This archive is somebody else's.")
