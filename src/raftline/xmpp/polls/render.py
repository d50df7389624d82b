"""How a poll or an event stands: as an answer, and as news to who is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.base.ids import format_stanza_id
from raftline.base.timestamps import format_timestamp
from raftline.machine.polls.events import PollTold, Tally, Voter
from raftline.machine.polls.tables import OPEN
from raftline.machine.polls.terms import QuestionKind
from raftline.xmpp.element import Element
from raftline.xmpp.payloads import HINTS_NAMESPACE
from raftline.xmpp.polls.words import OF_KIND, Words
from raftline.xmpp.stanza import CLIENT_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.module import StreamContext


def tally_element(
    context: StreamContext, tally: Tally, voters: list[Voter] | None = None, partner: str = ""
) -> Element:
    """
    Write how a question stands.

    Args:
        voters: Who chose what, if that is told.
        partner: Bare JID of the other one of the chat; empty in a room.
    """
    terms = tally.terms
    words = OF_KIND[terms.kind]
    attributes = {
        words.noun: format_stanza_id(context.epochs, tally.position),
        "message": terms.message_id,
        "with": partner,
        "state": words.states[tally.state],
        words.people: str(tally.voter_count),
        "anonymous": "true" if terms.is_anonymous else "",
    }
    if terms.kind is QuestionKind.POLL:
        attributes["max-choices"] = str(terms.choice_count_max)
        attributes["closes"] = format_timestamp(terms.closes_ms) if terms.closes_ms else ""
    children: list[Element | str] = [Element(words.heading, words.namespace, None, [terms.title])]
    for number, (option, count) in enumerate(zip(terms.options, tally.counts, strict=True), 1):
        children.append(_option(words, number, option, count, is_chosen=number in tally.chosen))
    children += [_voter(words, tally, voter) for voter in voters or ()]
    return Element(words.tally, words.namespace, {name: value for name, value in attributes.items() if value}, children)


def render_told(context: StreamContext, event: PollTold) -> bytes:
    """Write news: from the room, or from the user's own account of a chat; what has ended has a text as well."""
    tally = event.tally
    words = OF_KIND[tally.terms.kind]
    attributes = {
        "from": event.address if event.is_room else str(context.jid.bare),
        "to": str(context.jid),
        "type": "groupchat" if event.is_room else "headline",
        "id": context.new_id(),
    }
    children: list[Element | str] = []
    if tally.state != OPEN and event.is_room:
        children.append(Element("body", CLIENT_NAMESPACE, None, [_text_of(words, tally)]))
    children.append(tally_element(context, tally, partner="" if event.is_room else event.address))
    children.append(Element("no-store", HINTS_NAMESPACE))
    return Element("message", CLIENT_NAMESPACE, attributes, children).to_bytes()


def _text_of(words: Words, tally: Tally) -> str:
    """Write the result as plain text."""
    terms = tally.terms
    counted = [f"{option}: {count}" for option, count in zip(terms.options, tally.counts, strict=True)]
    return "\n".join([f"{words.noun.capitalize()} {words.states[tally.state]}: {terms.title}", *counted])


def _option(words: Words, number: int, option: str, count: int, *, is_chosen: bool) -> Element:
    chosen = {"chosen": "true"} if is_chosen else {}
    if words.kind is QuestionKind.EVENT:
        return Element("answer", words.namespace, {"value": option, "count": str(count), **chosen})
    return Element("option", words.namespace, {"number": str(number), "votes": str(count), **chosen}, [option])


def _voter(words: Words, tally: Tally, voter: Voter) -> Element:
    attributes = {"jid": voter.jid, "occupant-id": voter.occupant_id, "at": format_timestamp(voter.time_ms)}
    children: list[Element | str] = []
    if words.kind is QuestionKind.EVENT:
        attributes["value"] = tally.terms.options[voter.options[0] - 1]
    else:
        children += [Element("choice", words.namespace, {"option": str(option)}) for option in voter.options]
    return Element(
        words.person, words.namespace, {name: value for name, value in attributes.items() if value}, children
    )
