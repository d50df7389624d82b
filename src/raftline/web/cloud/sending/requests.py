"""
Bodies of `POST /P/messages`, as shapes; what is beyond a shape, such as lengths, is checked where it is used.

Programs send nulls for what they leave out, so whatever may be left out may be null. Fields that are not known here are
passed over, as the API grows.
"""

from __future__ import annotations

import msgspec


class Struct(msgspec.Struct, frozen=True, gc=False):
    """Root of the shapes."""


class Text(Struct, frozen=True):
    """`preview_url`: whether clients may show what the first address of the text leads to."""

    body: str
    preview_url: bool | None = None


class File(Struct, frozen=True):
    """A file of ours by `id`, or of somebody else's by `link`; `voice` is of audio alone, `filename` of documents."""

    id: str | int | None = None
    link: str | None = None
    caption: str | None = None
    filename: str | None = None
    voice: bool | None = None


class Location(Struct, frozen=True):
    """Degrees; some programs write them as text."""

    latitude: float | str
    longitude: float | str
    name: str | None = None
    address: str | None = None


class ContactName(Struct, frozen=True):
    """Name on a card."""

    formatted_name: str
    first_name: str | None = None
    last_name: str | None = None
    middle_name: str | None = None
    suffix: str | None = None
    prefix: str | None = None


class ContactPhone(Struct, frozen=True):
    """`wa_id`: who is here under this number."""

    phone: str | None = None
    type: str | None = None
    wa_id: str | None = None


class ContactEmail(Struct, frozen=True):
    """Address for mail."""

    email: str | None = None
    type: str | None = None


class ContactUrl(Struct, frozen=True):
    """Address of a page."""

    url: str | None = None
    type: str | None = None


class ContactAddress(Struct, frozen=True):
    """Where letters go."""

    street: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country: str | None = None
    country_code: str | None = None
    type: str | None = None


class ContactOrganisation(Struct, frozen=True):
    """Where somebody works."""

    company: str | None = None
    department: str | None = None
    title: str | None = None


class Contact(Struct, frozen=True):
    """A card."""

    name: ContactName
    birthday: str | None = None
    phones: list[ContactPhone] | None = None
    emails: list[ContactEmail] | None = None
    urls: list[ContactUrl] | None = None
    addresses: list[ContactAddress] | None = None
    org: ContactOrganisation | None = None


class Reaction(Struct, frozen=True):
    """An empty emoji takes the reaction back."""

    message_id: str
    emoji: str | None = None


class Words(Struct, frozen=True):
    """A text of an interactive message."""

    text: str


class Header(Struct, frozen=True):
    """`type` names the field that counts."""

    type: str
    text: str | None = None
    image: File | None = None
    video: File | None = None
    document: File | None = None


class Reply(Struct, frozen=True):
    """What a reply button gives back, and shows."""

    id: str
    title: str


class Button(Struct, frozen=True):
    """A reply button."""

    reply: Reply
    type: str = "reply"


class Row(Struct, frozen=True):
    """A row of a list."""

    id: str
    title: str
    description: str | None = None


class Section(Struct, frozen=True):
    """Rows of a list under a title."""

    rows: list[Row] | None = None
    title: str | None = None


class Action(Struct, frozen=True):
    """What can be done; which fields count is said by the type of the interactive message."""

    buttons: list[Button] | None = None
    button: str | None = None
    sections: list[Section] | None = None
    name: str | None = None
    parameters: dict[str, object] | None = None


class UrlParameters(Struct, frozen=True):
    """Of `cta_url`."""

    display_text: str
    url: str


class Interactive(Struct, frozen=True):
    """A message that asks for something."""

    type: str
    action: Action | None = None
    header: Header | None = None
    body: Words | None = None
    footer: Words | None = None


class Language(Struct, frozen=True):
    """Of a template; `policy` is passed over, as there is but one."""

    code: str


class FallbackValue(Struct, frozen=True):
    """An amount of money or a time, as text."""

    fallback_value: str


class Parameter(Struct, frozen=True):
    """`type` names the field that counts; `parameter_name` where the template names its parameters."""

    type: str
    text: str | None = None
    parameter_name: str | None = None
    payload: str | None = None
    coupon_code: str | None = None
    currency: FallbackValue | None = None
    date_time: FallbackValue | None = None
    image: File | None = None
    video: File | None = None
    document: File | None = None
    location: Location | None = None


class Component(Struct, frozen=True):
    """Parameters of a part of a template; `index` counts its buttons from 0."""

    type: str
    sub_type: str | None = None
    index: int | str | None = None
    parameters: list[Parameter] | None = None


class TemplateUse(Struct, frozen=True):
    """Which template, and what goes into it."""

    name: str
    language: Language
    components: list[Component] | None = None


class Pin(Struct, frozen=True):
    """`pin` or `unpin`, in a group."""

    type: str
    message_id: str
    expiration_days: int | None = None


class MessageContext(Struct, frozen=True):
    """What the message answers."""

    message_id: str


class Typing(Struct, frozen=True):
    """What is being made ready: `text`."""

    type: str = "text"


class MessageRequest(Struct, frozen=True):
    """Any body of `POST /P/messages`: a message, or with `status` what became of somebody else's."""

    messaging_product: str
    recipient_type: str | None = None
    to: str | int | None = None
    recipient: str | None = None
    type: str | None = None
    context: MessageContext | None = None
    biz_opaque_callback_data: str | None = None
    recipient_identity_key_hash: str | None = None
    status: str | None = None
    message_id: str | None = None
    typing_indicator: Typing | None = None
    text: Text | None = None
    image: File | None = None
    video: File | None = None
    audio: File | None = None
    document: File | None = None
    sticker: File | None = None
    location: Location | None = None
    contacts: list[Contact] | None = None
    reaction: Reaction | None = None
    interactive: Interactive | None = None
    template: TemplateUse | None = None
    pin: Pin | None = None
