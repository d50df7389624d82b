"""
Drafts of stored templates: found by name and language, their parameters put in.

A template's parts are those that were submitted (cloud/templates.py): `HEADER` with a text, a file or a place, `BODY`,
`FOOTER`, `BUTTONS`. Parameters are numbered, `{{1}}`, or named, `{{name}}`; each part takes as many as it has places.
Quick replies are choices like buttons of an interactive message, and come back as `button`.
"""

from __future__ import annotations

import re
from typing import Final, cast

import msgspec

from raftline.base.cloud_limits import CAPTION_LENGTH_MAX, LINK_LENGTH_MAX, OPTION_ID_LENGTH_MAX
from raftline.machine.business.commands import Prompt
from raftline.machine.business.queries import TemplateNamed
from raftline.machine.business.reading import BUSINESS_NAMESPACE
from raftline.machine.business.tables import PromptKind, Template
from raftline.machine.business.values import Option
from raftline.web.cloud.access import ask_freshly
from raftline.web.cloud.call import Call
from raftline.web.cloud.errors import Code, GraphError, wrong
from raftline.web.cloud.sending.drafts import Draft, element, fallback, leaf, required
from raftline.web.cloud.sending.files import shared_file
from raftline.web.cloud.sending.interactive import choice_form, numbered, quick_responses
from raftline.web.cloud.sending.plain import geo_of, geoloc_of
from raftline.web.cloud.sending.requests import Component, Parameter, TemplateUse

NAME_LENGTH_MAX: Final = 512
_PLACE: Final = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
_INDEX: Final = re.compile(r"[0-9]{1,2}", re.ASCII)


class StoredButton(msgspec.Struct, frozen=True, gc=False):
    """A button of a stored template."""

    type: str
    text: str = ""
    url: str = ""
    phone_number: str = ""


class StoredComponent(msgspec.Struct, frozen=True, gc=False):
    """A part of a stored template."""

    type: str
    format: str = "TEXT"
    text: str = ""
    buttons: list[StoredButton] = []


_COMPONENTS: Final = msgspec.json.Decoder(list[StoredComponent], strict=False)


async def draft_template(call: Call, use: TemplateUse) -> Draft:
    """
    Write a stored template with its parameters.

    Raises:
        GraphError: 132001 for one that is not there, 132000 for too few or too many parameters, 132012 for one of
            another kind, 132005 when the text becomes too long, and as for files and places.
    """
    template = await _find(call, use)
    filling = Filling(call, use.components or [])
    title, texts, buttons = "", [], ""
    options: list[Option] = []
    for part in _COMPONENTS.decode(template.components):
        match part.type.upper():
            case "HEADER":
                title = await filling.header(part)
            case "BODY":
                texts.append(filling.text(part.text, filling.take("body"), "body"))
            case "FOOTER":
                texts.append(part.text)
            case "BUTTONS":
                buttons = filling.buttons(part.buttons, options)
    filling.require_all_used()
    text = "\n\n".join(text for text in texts if text)
    if len(text) > CAPTION_LENGTH_MAX:
        raise GraphError(
            Code.TEMPLATE_TEXT_TOO_LONG, f"With its parameters the text has more than {CAPTION_LENGTH_MAX} characters."
        )
    prompt = None
    if options:
        prompt = Prompt(int(PromptKind.QUICK_REPLIES), tuple(options))
        filling.payload += quick_responses(options) + choice_form(text, options)
    mark = element(
        "interactive",
        BUSINESS_NAMESPACE,
        leaf("header", title) + leaf("body", text) + filling.marked,
        type="template",
        name=template.name,
    )
    body = "\n\n".join(part for part in (title, text, buttons) if part)
    return Draft(body, filling.payload + mark + fallback(BUSINESS_NAMESPACE), prompt=prompt)


class Filling:
    """
    Parameters on their way into a template.

    Attributes:
        payload: Elements beside the text.
        marked: Content of our own element.
    """

    def __init__(self, call: Call, components: list[Component]) -> None:
        self._call = call
        self._components = list(components)
        self.payload = ""
        self.marked = ""

    def take(self, kind: str, index: int | None = None) -> list[Parameter]:
        """Return the parameters of a part, or of a button, which are then used; none when there are none."""
        for place, component in enumerate(self._components):
            if component.type.lower() == kind and (index is None or _index_of(component) == index):
                del self._components[place]
                return component.parameters or []
        return []

    def require_all_used(self) -> None:
        """Check that no part has parameters that the template has no place for."""
        for component in self._components:
            if component.parameters:
                raise _miscounted(component.type, 0, len(component.parameters))

    def text(self, pattern: str, parameters: list[Parameter], where: str) -> str:
        """Put parameters into a text, by number or by name."""
        names = list(dict.fromkeys(_PLACE.findall(pattern)))
        if len(names) != len(parameters):
            raise _miscounted(where, len(names), len(parameters))
        if not names:
            return pattern
        if all(name.isdigit() for name in names):
            values = {str(number): _text_of(parameter, where) for number, parameter in enumerate(parameters, 1)}
        else:
            values = {parameter.parameter_name or "": _text_of(parameter, where) for parameter in parameters}
        for name in names:
            if name not in values:
                raise _mismatched(f"{where} has no parameter {name}.")
        return _PLACE.sub(lambda match: values[match[1]], pattern)

    async def header(self, part: StoredComponent) -> str:
        """Return the text of a header: for a file its address, for a place its `geo:` address."""
        parameters = self.take("header")
        kind = part.format.lower()
        if kind == "text":
            return self.text(part.text, parameters, "header")
        if len(parameters) != 1:
            raise _miscounted("header", 1, len(parameters))
        parameter = parameters[0]
        if parameter.type != kind:
            raise _mismatched(f"The header takes {kind}, not {parameter.type}.")
        where = f"template.components.header.{kind}"
        if kind == "location" and parameter.location is not None:
            self.payload += geoloc_of(parameter.location, where)
            return geo_of(parameter.location, where)
        file = {"image": parameter.image, "video": parameter.video, "document": parameter.document}.get(kind)
        if file is None:
            raise _mismatched(f"The header has no {kind}.")
        url, sharing = await shared_file(self._call, kind, file, where)
        self.payload += sharing
        return url

    def buttons(self, buttons: list[StoredButton], options: list[Option]) -> str:
        """Return buttons as text, and add the quick replies among them to the options."""
        lines: list[str] = []
        for index, button in enumerate(buttons):
            parameters = self.take("button", index)
            match button.type.upper():
                case "QUICK_REPLY":
                    options.append(Option(_payload_of(button, parameters, index), button.text))
                case "URL":
                    url = self._url(button, parameters, index)
                    lines.append(f"{button.text}: {url}")
                    self.marked += element("url", "", title=button.text, href=url)
                case "PHONE_NUMBER":
                    lines.append(f"{button.text}: {button.phone_number}")
                    self.marked += element("url", "", title=button.text, href=f"tel:{button.phone_number}")
                case "COPY_CODE":
                    code = _code_of(parameters, index)
                    lines.append(f"{button.text}: {code}" if button.text else code)
                case other:
                    raise GraphError(Code.UNSUPPORTED_TYPE, f"Buttons of type {other[:50]} cannot be sent here.")
        self.marked += "".join(element("button", "", id=option.option_id, title=option.title) for option in options)
        return "\n".join([*numbered(options), *lines])

    def _url(self, button: StoredButton, parameters: list[Parameter], index: int) -> str:
        # What goes into an address is encoded by whoever sends it, as there.
        url = self.text(button.url, parameters, f"button {index}")
        if len(url) > LINK_LENGTH_MAX or any(character.isspace() for character in url):
            raise _mismatched(f"With its parameter the address of button {index} is none.")
        return url


async def _find(call: Call, use: TemplateUse) -> Template:
    name = required(use.name, "template.name", NAME_LENGTH_MAX)
    language = required(use.language.code, "template.language.code", NAME_LENGTH_MAX)
    question = TemplateNamed(call.number.business.business_id, name, language)
    found = cast("Template | None", await ask_freshly(call.node, question))
    if found is None:
        raise GraphError(Code.TEMPLATE_UNKNOWN, f"There is no template {name[:100]!r} in {language[:20]!r}.")
    return found


def _index_of(component: Component) -> int:
    text = str(0 if component.index is None else component.index)
    if not _INDEX.fullmatch(text):
        raise wrong("template.components.index", "is no number of a button")
    return int(text)


def _text_of(parameter: Parameter, where: str) -> str:
    found = {
        "text": parameter.text,
        "currency": None if parameter.currency is None else parameter.currency.fallback_value,
        "date_time": None if parameter.date_time is None else parameter.date_time.fallback_value,
    }.get(parameter.type)
    if found is None:
        raise _mismatched(f"A parameter of {where} is no text, amount or time.")
    return found


def _payload_of(button: StoredButton, parameters: list[Parameter], index: int) -> str:
    """Return what a quick reply gives back: by default what it shows."""
    if not parameters:
        return button.text
    if len(parameters) > 1:
        raise _miscounted(f"button {index}", 1, len(parameters))
    if parameters[0].type != "payload":
        raise _mismatched(f"The parameter of button {index} is no payload.")
    return required(parameters[0].payload, f"template.components.button[{index}].payload", OPTION_ID_LENGTH_MAX)


def _code_of(parameters: list[Parameter], index: int) -> str:
    if len(parameters) != 1:
        raise _miscounted(f"button {index}", 1, len(parameters))
    code = parameters[0].coupon_code
    if parameters[0].type != "coupon_code" or not code:
        raise _mismatched(f"The parameter of button {index} is no coupon_code.")
    return code


def _miscounted(where: str, expected: int, got: int) -> GraphError:
    details = f"{where}: number of parameters is {got}, expected are {expected}."
    return GraphError(Code.TEMPLATE_COUNT_MISMATCH, details)


def _mismatched(details: str) -> GraphError:
    return GraphError(Code.TEMPLATE_FORMAT_MISMATCH, details)
