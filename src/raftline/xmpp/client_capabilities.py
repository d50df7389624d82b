"""
What clients can do (XEP-0115): read from their presence, asked for, checked.

The hash travels in presence; what it stands for is asked of the first client that shows it. The question is an IQ of
the server's own: it is written when apply says that nobody knows the hash, and the stream goes on; the answer is a
stanza like any other, which finds its way back by its id (dispatch.py).
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from raftline.base.limits import CAPABILITY_NODE_COUNT_MAX, CAPABILITY_NODES_SIZE_MAX
from raftline.machine.pubsub.capabilities import encode_nodes
from raftline.machine.pubsub.commands import Capabilities, LearnCapabilities
from raftline.xmpp.capabilities import INFO_NAMESPACE
from raftline.xmpp.effects import Submit
from raftline.xmpp.element import Element
from raftline.xmpp.payloads import FORM_NAMESPACE
from raftline.xmpp.stanza import CLIENT_NAMESPACE, LANG

if TYPE_CHECKING:
    from raftline.machine.pubsub.values import CapabilitiesUnknown
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza

CAPABILITIES_NAMESPACE: Final = "http://jabber.org/protocol/caps"

QUESTION_COUNT_MAX: Final = 8
"""Questions of one stream without an answer; beyond it the oldest is forgotten."""

_NOTIFY: Final = "+notify"
_ALGORITHMS: Final[Mapping[str, str]] = MappingProxyType(
    {"sha-1": "sha1", "sha-224": "sha224", "sha-256": "sha256", "sha-384": "sha384", "sha-512": "sha512"}
)
"""Names of hash functions in XMPP and in hashlib."""


def capabilities_of(presence: Element) -> Capabilities | None:
    """Return what presence says of its client's capabilities (section 4); None when it says nothing."""
    found = presence.child("c", CAPABILITIES_NAMESPACE)
    if found is None or not found.get("ver"):
        return None
    attributes = found.attributes
    return Capabilities(attributes.get("hash", ""), attributes["ver"], attributes.get("node", ""))


def render_question(context: StreamContext, event: CapabilitiesUnknown) -> bytes:
    """Ask the client what its hash stands for (section 6.2)."""
    capabilities = event.capabilities
    question_id = context.new_id()
    questions = context.questions
    questions[question_id] = partial(_take_answer, capabilities=capabilities)
    if len(questions) > QUESTION_COUNT_MAX:
        del questions[next(iter(questions))]
    node = {"node": f"{capabilities.node}#{capabilities.version}"}
    attributes = {"from": context.domain, "to": str(context.jid), "type": "get", "id": question_id}
    return Element("iq", CLIENT_NAMESPACE, attributes, [Element("query", INFO_NAMESPACE, node)]).to_bytes()


def _take_answer(_context: StreamContext, stanza: Stanza, *, capabilities: Capabilities) -> Steps:
    """Tell the cluster what a client answered; one that answers by an error wants to hear of nothing."""
    info = stanza.element.child("query", INFO_NAMESPACE)
    if stanza.type != "result" or info is None:
        info = Element("query", INFO_NAMESPACE)
    verified = is_verified(info, capabilities)
    yield Submit(LearnCapabilities(capabilities, wanted_nodes(info), verified))


def wanted_nodes(info: Element) -> tuple[str, ...]:
    """Return the nodes that a client wants to hear of (XEP-0060 section 9.2), sorted; of too many, the first."""
    features = _attributes_of(info, "feature", "var")
    nodes = sorted({name.removesuffix(_NOTIFY) for (name,) in features if name.endswith(_NOTIFY) and name != _NOTIFY})
    del nodes[CAPABILITY_NODE_COUNT_MAX:]
    while len(encode_nodes(tuple(nodes))) > CAPABILITY_NODES_SIZE_MAX:
        nodes.pop()
    return tuple(nodes)


def is_verified(info: Element, capabilities: Capabilities) -> bool:
    """Whether an answer is well-formed and has this hash (section 5.4)."""
    algorithm = _ALGORITHMS.get(capabilities.algorithm)
    text = verification_text(info)
    if algorithm is None or text is None:
        return False
    digest = hashlib.new(algorithm, text.encode(), usedforsecurity=False).digest()
    return b64encode(digest).decode() == capabilities.version


def verification_text(info: Element) -> str | None:
    """
    Return what is hashed of an answer (section 5.1); None for one that is ill-formed (section 5.4).

    Beyond the section, ill-formed is what holds the separator itself: two answers could be one text (section 8.1).
    """
    identities = _attributes_of(info, "identity", "category", "type", LANG, "name")
    features = _attributes_of(info, "feature", "var")
    forms = _forms_of(info)
    if forms is None or _has_twice(identities) or _has_twice(features):
        return None
    parts = ["/".join(identity) for identity in sorted(identities)]
    parts += sorted(feature for (feature,) in features)
    for form_type in sorted(forms):
        parts.append(form_type)
        for name, values in sorted(forms[form_type].items()):
            parts += [name, *sorted(values)]
    if any("<" in part for part in parts):
        return None
    return "".join(f"{part}<" for part in parts)


def _attributes_of(info: Element, name: str, *attributes: str) -> list[tuple[str, ...]]:
    return [
        tuple(child.attributes.get(attribute, "") for attribute in attributes)
        for child in info.elements()
        if child.name == name and child.namespace == INFO_NAMESPACE
    ]


def _forms_of(info: Element) -> dict[str, dict[str, list[str]]] | None:
    """Return the fields of extended forms, by FORM_TYPE; None if these are ambiguous (section 5.4, 3.5 and 3.6)."""
    forms: dict[str, dict[str, list[str]]] = {}
    for form in info.elements():
        if form.name != "x" or form.namespace != FORM_NAMESPACE:
            continue
        fields: dict[str, list[str]] = {}
        types: list[str] = []
        for field in form.elements():
            if field.name != "field" or field.namespace != FORM_NAMESPACE:
                continue
            values = [value.text for value in field.elements() if value.name == "value"]
            if field.get("var") == "FORM_TYPE":
                if len(set(values)) > 1:
                    return None
                types = values[:1] if field.get("type") == "hidden" else []
            else:
                fields.setdefault(field.attributes.get("var", ""), []).extend(values)
        if not types:
            continue
        if types[0] in forms:
            return None
        forms[types[0]] = fields
    return forms


def _has_twice(entries: list[tuple[str, ...]]) -> bool:
    return bool(entries) and max(Counter(entries).values()) > 1
