"""
Requests about polls and events: choose, end, ask how one stands, ask which there are.

They go to the room, or, about a chat of two, to the user's own account; what is asked for is named by the id of its
message in the archive of either.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any

from raftline.base.errors import Refused
from raftline.base.ids import Position, format_stanza_id
from raftline.base.limits import POLL_OPTION_COUNT_MAX, POLL_PAGE_ROW_COUNT_MAX
from raftline.machine.outcomes import Rejected
from raftline.machine.polls.commands import Choose, ClosePoll
from raftline.machine.polls.events import TallyPage
from raftline.machine.polls.queries import PollsOf
from raftline.machine.polls.terms import ANSWERS, QuestionKind
from raftline.xmpp.effects import Ask, Effect
from raftline.xmpp.element import Element
from raftline.xmpp.payloads import TRUE, page_element, parse_page_request, propose_or_refuse
from raftline.xmpp.places import partner_of, position_of, room_of
from raftline.xmpp.polls.render import tally_element

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Host, Modules, StreamContext
    from raftline.xmpp.polls.words import Words
    from raftline.xmpp.stanza import Stanza


def register_requests(modules: Modules, host: Host, words: Words) -> None:
    """Take requests at rooms and at accounts."""
    handlers = (
        ("set", words.choose, handle_choose),
        ("set", words.end, handle_end),
        ("get", words.tally, handle_tally),
        ("get", words.listing, handle_listing),
    )
    for kind, name, handler in handlers:
        host.on_iq("entity", kind, words.namespace, name, partial(handler, words))
        modules.on_iq("account", kind, words.namespace, name, partial(handler, words))


def handle_choose(words: Words, context: StreamContext, stanza: Stanza) -> Steps:
    """
    Choose in place of what was chosen before; nothing takes the choice back.

    Raises:
        Refused: `bad-request` for what cannot be read, `item-not-found` for an unknown option or question; else as
            `machine.polls.commands.Choose` says.
    """
    request = _request(stanza, words, words.choose)
    room = room_of(context, stanza)
    yield from propose_or_refuse(Choose(room, _named(context, words, request), _options(words, request), words.kind))


def handle_end(words: Words, context: StreamContext, stanza: Stanza) -> Steps:
    """End a question: close a poll, cancel an event. Raises Refused as `machine.polls.commands.ClosePoll` says."""
    request = _request(stanza, words, words.end)
    yield from propose_or_refuse(ClosePoll(room_of(context, stanza), _named(context, words, request), words.kind))


def handle_tally(words: Words, context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return how a question stands, on request with who chose what.

    Raises:
        Refused: `item-not-found` for an unknown one, `forbidden` to who does not take part in the conversation.
    """
    request = _request(stanza, words, words.tally)
    assert context.session_id is not None, "only bound streams send stanzas"
    query = PollsOf(
        context.session_id,
        int(words.kind),
        room_of(context, stanza),
        position=_named(context, words, request),
        names_voters=request.get(words.people) in TRUE,
    )
    page = yield from _ask(query)
    return tally_element(context, page.tallies[0], page.voters)


def handle_listing(words: Words, context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return which questions there are in a conversation, a page of them, the latest page unless told otherwise.

    Raises:
        Refused: `jid-malformed` without a contact, `bad-request` and `item-not-found` for a page that is none,
            `forbidden` to who does not take part in the conversation.
    """
    request = _request(stanza, words, words.listing)
    assert context.session_id is not None, "only bound streams send stanzas"
    room = room_of(context, stanza)
    partner = "" if room else partner_of(context, request)
    paging = parse_page_request(request)
    after, before = (None if bound is None else position_of(context, bound) for bound in (paging.after, paging.before))
    limit = POLL_PAGE_ROW_COUNT_MAX if paging.limit is None else min(paging.limit, POLL_PAGE_ROW_COUNT_MAX)
    query = PollsOf(
        context.session_id,
        int(words.kind),
        room,
        partner.partition("@")[0],
        after=after,
        before=before,
        backward=paging.backward or after is None,
        limit=limit,
    )
    page = yield from _ask(query)
    children: list[Element | str] = [tally_element(context, tally) for tally in page.tallies]
    ids = [format_stanza_id(context.epochs, tally.position) for tally in page.tallies]
    first, last = (ids[0], ids[-1]) if ids else (None, None)
    children.append(page_element(first, last, page.offset, page.total))
    return Element(words.listing, words.namespace, {"with": partner} if partner else None, children)


def _ask(query: PollsOf) -> Generator[Effect, Any, TallyPage]:
    answer: TallyPage | Rejected = yield Ask(query)
    if isinstance(answer, Rejected):
        raise Refused(*answer)
    return answer


def _request(stanza: Stanza, words: Words, name: str) -> Element:
    found = stanza.element.child(name, words.namespace)
    assert found is not None, "dispatch found the payload by this name"
    return found


def _named(context: StreamContext, words: Words, request: Element) -> Position:
    return position_of(context, request.get(words.noun) or "")


def _options(words: Words, request: Element) -> tuple[int, ...]:
    """Return the numbers of the options that were chosen."""
    unknown = Refused("item-not-found", "cancel", "There is no such option.", f"{{{words.namespace}}}unknown-option")
    if words.kind is QuestionKind.EVENT:
        value = request.get("value")
        if value is None:
            return ()
        if value not in ANSWERS:
            raise unknown
        return (ANSWERS.index(value) + 1,)
    chosen = set()
    for child in request.elements():
        if (child.name, child.namespace) == ("choice", words.namespace):
            option = child.get("option") or ""
            if not (option.isascii() and option.isdigit() and len(option) <= len("12")):
                raise unknown
            chosen.add(int(option))
    if len(chosen) > POLL_OPTION_COUNT_MAX:
        raise unknown
    return tuple(sorted(chosen))
