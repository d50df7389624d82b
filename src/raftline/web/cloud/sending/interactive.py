"""
Drafts of messages that ask for something: reply buttons, a list, an address to open, a place, a card.

Whoever has nothing but text sees the options numbered, and answers by number or title (machine/business/receiving.py).
Beside the text stand, for clients that know one of them:

- a data form (XEP-0004) with one field `choice`, of type list-single;
- quick responses (XEP-0439), for buttons;
- all of it as the program said it, `<interactive xmlns='urn:raftline:business:0'/>` (docs/business.md).
"""

from __future__ import annotations

from typing import Final

from raftline.base.cloud_limits import (
    BUTTON_COUNT_MAX,
    BUTTON_TITLE_LENGTH_MAX,
    CAPTION_LENGTH_MAX,
    HEADER_LENGTH_MAX,
    OPTION_ID_LENGTH_MAX,
    ROW_COUNT_MAX,
    ROW_DESCRIPTION_LENGTH_MAX,
    ROW_TITLE_LENGTH_MAX,
    TEXT_LENGTH_MAX,
)
from raftline.machine.business.commands import Prompt
from raftline.machine.business.reading import BUSINESS_NAMESPACE, CHOICE_FIELD
from raftline.machine.business.tables import PromptKind
from raftline.machine.business.values import Option
from raftline.web.cloud.call import Call, convert
from raftline.web.cloud.errors import Code, GraphError, missing, wrong
from raftline.web.cloud.sending.drafts import Draft, bounded, element, fallback, leaf, required
from raftline.web.cloud.sending.files import checked_link, shared_file
from raftline.web.cloud.sending.requests import Action, Header, Interactive, Row, Section, UrlParameters
from raftline.xmpp.payloads import FORM_NAMESPACE

_QUICK_RESPONSE: Final = "urn:xmpp:tmp:quick-response"
_UNSUPPORTED: Final = frozenset(
    {
        "address_message",
        "call_permission_request",
        "carousel",
        "catalog_message",
        "flow",
        "order_details",
        "order_status",
        "product",
        "product_list",
        "voice_call",
    }
)
"""Of types that need what is not here: a shop, forms of Meta's own, calls."""

_WANTED: Final = {
    "location_request_message": ("send_location", "Please answer with a location."),
    "request_contact_info": ("request_contact_info", "Please answer with a contact card."),
}
"""Name of the action, and how people are told, by type."""


class Shown:
    """
    An interactive message as it is put together.

    Attributes:
        lines: Of the text, without header, body and footer.
        marked: Content of our own element.
        options: What may be chosen.
        payload: Further elements.
        title: Of a file in the header: its address.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.marked = ""
        self.options: list[Option] = []
        self.payload = ""
        self.title = ""


async def draft_interactive(call: Call, interactive: Interactive) -> Draft:
    """
    Write a message that asks for something.

    Raises:
        GraphError: 131008 for what is missing, 131009 for what is too long, twice there or unknown, 131051 for types
            that this service does not have.
    """
    kind = interactive.type
    if kind in _UNSUPPORTED:
        raise GraphError(Code.UNSUPPORTED_TYPE, f"Interactive messages of type {kind} cannot be sent here.")
    write = _WRITERS.get(kind)
    if write is None:
        raise wrong("interactive.type", f"is {kind[:50]!r}, which is no type of interactive message")
    if interactive.action is None:
        raise missing("interactive.action")
    length_max = TEXT_LENGTH_MAX if kind == "list" else CAPTION_LENGTH_MAX
    text = required(None if interactive.body is None else interactive.body.text, "interactive.body.text", length_max)
    footer = bounded(
        None if interactive.footer is None else interactive.footer.text, "interactive.footer.text", HEADER_LENGTH_MAX
    )
    shown = Shown()
    if interactive.header is not None:
        await _add_header(call, shown, interactive.header, allows_files=kind in {"button", "cta_url"})
    write(shown, interactive.action, kind)
    parts = (shown.title, text, "\n".join(shown.lines), footer)
    mark = element(
        "interactive",
        BUSINESS_NAMESPACE,
        leaf("header", shown.title) + leaf("body", text) + leaf("footer", footer) + shown.marked,
        type=kind,
    )
    prompt = None
    if shown.options:
        prompt_kind = PromptKind.LIST if kind == "list" else PromptKind.BUTTONS
        prompt = Prompt(int(prompt_kind), tuple(shown.options))
        shown.payload += choice_form(text, shown.options)
    payload = shown.payload + mark + fallback(BUSINESS_NAMESPACE)
    return Draft("\n\n".join(part for part in parts if part), payload, prompt=prompt)


def choice_form(instructions: str, options: list[Option]) -> str:
    """Write options as a form with one field (XEP-0004 section 3.3)."""
    choices = "".join(element("option", "", leaf("value", option.option_id), label=option.title) for option in options)
    field = element("field", "", choices, type="list-single", var=CHOICE_FIELD)
    return element("x", FORM_NAMESPACE, leaf("instructions", instructions) + field, type="form")


def quick_responses(options: list[Option]) -> str:
    """Write options as quick responses (XEP-0439)."""
    return "".join(
        element("response", _QUICK_RESPONSE, value=option.option_id, label=option.title) for option in options
    )


def numbered(options: list[Option], start: int = 1) -> list[str]:
    """Write options as lines that begin with their numbers."""
    return [
        f"{number}. {option.title}" + (f" - {option.description}" if option.description else "")
        for number, option in enumerate(options, start)
    ]


async def _add_header(call: Call, shown: Shown, header: Header, *, allows_files: bool) -> None:
    where = "interactive.header"
    if header.type == "text":
        shown.title = required(header.text, f"{where}.text", HEADER_LENGTH_MAX)
        return
    if header.type not in {"image", "video", "document"} or not allows_files:
        raise wrong(f"{where}.type", f"cannot be {header.type[:50]!r} here")
    file = {"image": header.image, "video": header.video, "document": header.document}[header.type]
    if file is None:
        raise missing(f"{where}.{header.type}")
    shown.title, sharing = await shared_file(call, header.type, file, f"{where}.{header.type}")
    shown.payload += sharing


def _write_buttons(shown: Shown, action: Action, _kind: str) -> None:
    where = "interactive.action.buttons"
    if not action.buttons:
        raise missing(where)
    if len(action.buttons) > BUTTON_COUNT_MAX:
        raise wrong(where, f"has more than {BUTTON_COUNT_MAX} buttons")
    for place, button in enumerate(action.buttons):
        if button.type != "reply":
            raise wrong(f"{where}[{place}].type", "is not reply")
        option_id = required(button.reply.id, f"{where}[{place}].reply.id", OPTION_ID_LENGTH_MAX)
        title = required(button.reply.title, f"{where}[{place}].reply.title", BUTTON_TITLE_LENGTH_MAX)
        shown.options.append(Option(option_id, title))
        shown.marked += element("button", "", id=option_id, title=title)
    _require_unique([option.option_id for option in shown.options], "id", where)
    _require_unique([option.title for option in shown.options], "title", where)
    shown.lines = numbered(shown.options)
    shown.payload += quick_responses(shown.options)


def _write_list(shown: Shown, action: Action, _kind: str) -> None:
    where = "interactive.action"
    opener = required(action.button, f"{where}.button", BUTTON_TITLE_LENGTH_MAX)
    if not action.sections:
        raise missing(f"{where}.sections")
    if len(action.sections) > ROW_COUNT_MAX:
        raise wrong(f"{where}.sections", f"has more than {ROW_COUNT_MAX} sections")
    for place, section in enumerate(action.sections):
        _write_section(shown, section, f"{where}.sections[{place}]", is_only=len(action.sections) == 1)
    if len(shown.options) > ROW_COUNT_MAX:
        raise wrong(f"{where}.sections", f"has more than {ROW_COUNT_MAX} rows")
    _require_unique([option.option_id for option in shown.options], "id", f"{where}.sections")
    shown.marked += leaf("button", opener)


def _write_section(shown: Shown, section: Section, where: str, *, is_only: bool) -> None:
    if is_only:
        title = bounded(section.title, f"{where}.title", ROW_TITLE_LENGTH_MAX)
    else:
        title = required(section.title, f"{where}.title", ROW_TITLE_LENGTH_MAX)
    if not section.rows:
        raise missing(f"{where}.rows")
    options = [_option_of(row, f"{where}.rows[{place}]") for place, row in enumerate(section.rows)]
    if title:
        shown.lines += ["", title] if shown.lines else [title]
    shown.lines += numbered(options, len(shown.options) + 1)
    shown.options += options
    rows = "".join(
        element("row", "", id=option.option_id, title=option.title, description=option.description)
        for option in options
    )
    shown.marked += element("section", "", rows, title=title)


def _option_of(row: Row, where: str) -> Option:
    return Option(
        required(row.id, f"{where}.id", OPTION_ID_LENGTH_MAX),
        required(row.title, f"{where}.title", ROW_TITLE_LENGTH_MAX),
        bounded(row.description, f"{where}.description", ROW_DESCRIPTION_LENGTH_MAX),
    )


def _write_url(shown: Shown, action: Action, kind: str) -> None:
    where = "interactive.action"
    if action.name != kind:
        raise wrong(f"{where}.name", f"is not {kind}")
    if action.parameters is None:
        raise missing(f"{where}.parameters")
    said = convert(action.parameters, UrlParameters, f"{where}.parameters")
    title = required(said.display_text, f"{where}.parameters.display_text", BUTTON_TITLE_LENGTH_MAX)
    url = checked_link(said.url, f"{where}.parameters.url")
    shown.lines = [f"{title}: {url}"]
    shown.marked += element("url", "", title=title, href=url)


def _write_wish(shown: Shown, action: Action, kind: str) -> None:
    name, wish = _WANTED[kind]
    if action.name != name:
        raise wrong("interactive.action.name", f"is not {name}")
    shown.lines = [wish]


def _require_unique(values: list[str], what: str, where: str) -> None:
    """Check that an answer can be told from any other."""
    if len(set(values)) < len(values):
        raise wrong(where, f"has the same {what} twice")


_WRITERS: Final = {
    "button": _write_buttons,
    "list": _write_list,
    "cta_url": _write_url,
    "location_request_message": _write_wish,
    "request_contact_info": _write_wish,
}
