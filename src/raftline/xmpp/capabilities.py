"""
What the server says of itself to service discovery (XEP-0030), as disco answers it and capabilities hash it.

It is made of the modules' declarations, so it is the same in every answer as long as the process lives.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from raftline.xmpp.element import Element
from raftline.xmpp.payloads import FORM_NAMESPACE
from raftline.xmpp.stanza import LANG

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

INFO_NAMESPACE: Final = "http://jabber.org/protocol/disco#info"
ITEMS_NAMESPACE: Final = "http://jabber.org/protocol/disco#items"


def server_info(modules: Modules) -> Element:
    """Make the answer for the server itself, without a node."""
    features = (feature for declaration in modules.declarations for feature in declaration.features)
    info = info_element("server", "im", "Raftline", features)
    info.children.extend(modules.disco_forms)
    return info


def info_element(category: str, kind: str, name: str | None, features: Iterable[str]) -> Element:
    """Make an answer with one identity and these features, each once (XEP-0030 section 3.1)."""
    identity = {"category": category, "type": kind}
    if name is not None:
        identity["name"] = name
    children: list[Element | str] = [Element("identity", INFO_NAMESPACE, identity)]
    children.extend(Element("feature", INFO_NAMESPACE, {"var": feature}) for feature in sorted(set(features)))
    return Element("query", INFO_NAMESPACE, None, children)


def features_of(info: Element) -> list[str]:
    """Return the features of an answer."""
    return [child.attributes["var"] for child in info.elements() if child.name == "feature"]


def forms_of(info: Element) -> list[list[tuple[str, list[str]]]]:
    """Return the forms of an answer (XEP-0128): the name and the sorted values of each field."""
    return [
        [
            (field.attributes["var"], sorted(value.text for value in field.elements() if value.name == "value"))
            for field in form.elements()
        ]
        for form in info.elements()
        if form.name == "x" and form.namespace == FORM_NAMESPACE
    ]


def identities_of(info: Element) -> list[tuple[str, str, str, str]]:
    """Return category, type, language and name of each identity of an answer; empty where not said."""
    found = [child.attributes for child in info.elements() if child.name == "identity"]
    return [(entry["category"], entry["type"], entry.get(LANG, ""), entry.get("name", "")) for entry in found]
