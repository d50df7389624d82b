"""Contact cards in messages (XEP-0054, XEP-0292) as the Cloud API writes contacts. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from raftline.xmpp.element import Element

VCARD_NAMESPACE: Final = "vcard-temp"
VCARD4_NAMESPACE: Final = "urn:ietf:params:xml:ns:vcard-4.0"

_TYPES: Final = ("HOME", "WORK")
_PHONE_TYPES: Final = ("CELL", "HOME", "WORK")


def find_card(message: Element) -> Element | None:
    """Return the card in a message; None for none."""
    return message.child("vCard", VCARD_NAMESPACE) or message.child("vcard", VCARD4_NAMESPACE)


def contact_of(card: Element, domain: str) -> dict[str, Any]:
    """
    Write a card as one item of `contacts`.

    Args:
        domain: Of the service; an address there whose local part is digits becomes the `wa_id` of a phone.
    """
    contact = _from_vcard4(card) if card.namespace == VCARD4_NAMESPACE else _from_vcard(card)
    jids = [_local_digits(jid, domain) for jid in _jids(card)]
    phones = contact.setdefault("phones", [])
    for digits in filter(None, jids):
        same = next((phone for phone in phones if _digits(phone["phone"]) == digits), None)
        if same is None:
            phones.append({"phone": f"+{digits}", "type": "CELL", "wa_id": digits})
        else:
            same["wa_id"] = digits
    if not phones:
        del contact["phones"]
    if "formatted_name" not in contact["name"]:
        names = [contact["name"].get(part, "") for part in ("first_name", "last_name")]
        fallback = next((phone["phone"] for phone in phones), "")
        contact["name"] = {"formatted_name": " ".join(filter(None, names)) or fallback or "?", **contact["name"]}
    return contact


def _from_vcard(card: Element) -> dict[str, Any]:
    """Read XEP-0054: names in capitals, types as empty children."""

    def text(parent: Element | None, name: str) -> str:
        return _child_text(parent, name, VCARD_NAMESPACE)

    def kind(entry: Element, kinds: tuple[str, ...]) -> str:
        return next((one for one in kinds if entry.child(one, VCARD_NAMESPACE) is not None), "")

    names = card.child("N", VCARD_NAMESPACE)
    org = card.child("ORG", VCARD_NAMESPACE)
    address = {"street": "STREET", "city": "LOCALITY", "state": "REGION", "zip": "PCODE", "country": "CTRY"}
    return _contact(
        name={
            "formatted_name": text(card, "FN"),
            "first_name": text(names, "GIVEN"),
            "last_name": text(names, "FAMILY"),
            "middle_name": text(names, "MIDDLE"),
            "prefix": text(names, "PREFIX"),
            "suffix": text(names, "SUFFIX"),
        },
        birthday=text(card, "BDAY"),
        phones=[
            _typed("phone", text(tel, "NUMBER") or tel.text.strip(), kind(tel, _PHONE_TYPES))
            for tel in _all(card, "TEL", VCARD_NAMESPACE)
        ],
        emails=[
            _typed("email", text(mail, "USERID") or mail.text.strip(), kind(mail, _TYPES))
            for mail in _all(card, "EMAIL", VCARD_NAMESPACE)
        ],
        urls=[_typed("url", url.text.strip(), "") for url in _all(card, "URL", VCARD_NAMESPACE)],
        addresses=[
            {**{key: text(entry, name) for key, name in address.items()}, "type": kind(entry, _TYPES)}
            for entry in _all(card, "ADR", VCARD_NAMESPACE)
        ],
        org={
            "company": text(org, "ORGNAME"),
            "department": text(org, "ORGUNIT"),
            "title": text(card, "TITLE"),
        },
    )


def _from_vcard4(card: Element) -> dict[str, Any]:
    """Read XEP-0292: values in `<text/>` or `<uri/>`, types among the parameters."""

    def part(parent: Element | None, name: str) -> str:
        return _child_text(parent, name, VCARD4_NAMESPACE)

    def value(entry: Element | None) -> str:
        found = next((text for text in (part(entry, name) for name in ("text", "uri", "date")) if text), "")
        return found.partition(":")[2] if found.startswith(("tel:", "mailto:")) else found

    def first(name: str) -> str:
        return value(card.child(name, VCARD4_NAMESPACE))

    def kind(entry: Element, kinds: tuple[str, ...]) -> str:
        parameters = entry.child("parameters", VCARD4_NAMESPACE)
        types = None if parameters is None else parameters.child("type", VCARD4_NAMESPACE)
        told = set() if types is None else {text.text.strip().upper() for text in types.elements()}
        return next((one for one in kinds if one in told), "")

    names = card.child("n", VCARD4_NAMESPACE)
    address = {"street": "street", "city": "locality", "state": "region", "zip": "code", "country": "country"}
    return _contact(
        name={
            "formatted_name": first("fn"),
            "first_name": part(names, "given"),
            "last_name": part(names, "surname"),
            "middle_name": part(names, "additional"),
            "prefix": part(names, "prefix"),
            "suffix": part(names, "suffix"),
        },
        birthday=first("bday"),
        phones=[_typed("phone", value(tel), kind(tel, _PHONE_TYPES)) for tel in _all(card, "tel", VCARD4_NAMESPACE)],
        emails=[_typed("email", value(mail), kind(mail, _TYPES)) for mail in _all(card, "email", VCARD4_NAMESPACE)],
        urls=[_typed("url", value(url), kind(url, _TYPES)) for url in _all(card, "url", VCARD4_NAMESPACE)],
        addresses=[
            {**{key: part(entry, name) for key, name in address.items()}, "type": kind(entry, _TYPES)}
            for entry in _all(card, "adr", VCARD4_NAMESPACE)
        ],
        org={"company": first("org"), "department": "", "title": first("title")},
    )


def _contact(**parts: Any) -> dict[str, Any]:
    """Leave out what there is nothing of; the name stays whatever it is."""
    contact: dict[str, Any] = {"name": _known(parts.pop("name"))}
    for key, content in parts.items():
        if isinstance(content, dict):
            content = _known(content)  # noqa: PLW2901  # what is left of it is meant from here on
        elif isinstance(content, list):
            content = [item for item in map(_known, content) if set(item) - {"type"}]  # noqa: PLW2901
        if content:
            contact[key] = content
    return contact


def _known(fields: dict[str, str]) -> dict[str, str]:
    return {key: text for key, text in fields.items() if text}


def _typed(key: str, text: str, kind: str) -> dict[str, str]:
    return {key: text, "type": kind}


def _jids(card: Element) -> Iterator[str]:
    for entry in _all(card, "JABBERID", VCARD_NAMESPACE):
        yield entry.text.strip()
    for entry in _all(card, "impp", VCARD4_NAMESPACE):
        yield _child_text(entry, "uri", VCARD4_NAMESPACE).removeprefix("xmpp:")


def _local_digits(jid: str, domain: str) -> str:
    local, _, host = jid.partition("@")
    return local if host == domain and local.isascii() and local.isdigit() else ""


def _all(parent: Element, name: str, namespace: str) -> Iterator[Element]:
    return (child for child in parent.elements() if child.name == name and child.namespace == namespace)


def _child_text(parent: Element | None, name: str, namespace: str) -> str:
    child = None if parent is None else parent.child(name, namespace)
    return "" if child is None else child.text.strip()


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))
