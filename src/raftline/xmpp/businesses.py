"""
What service discovery says of a business's number (docs/business.md, XEP-0030, XEP-0128).

The name is what operators have verified; nothing that the account or its programs can write gets into this answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.machine.business.queries import NumberAt
from raftline.machine.business.reading import BUSINESS_NAMESPACE
from raftline.machine.business.values import NumberView
from raftline.xmpp.capabilities import INFO_NAMESPACE
from raftline.xmpp.data_forms import make_form
from raftline.xmpp.effects import ask
from raftline.xmpp.element import Element
from raftline.xmpp.payloads import form_field

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps


def may_be_number(localpart: str) -> bool:
    """Whether an account of this name may be a number: all others are spared the question."""
    return localpart.isascii() and localpart.isdigit()


def describe_number(localpart: str, info: Element) -> Steps:
    """
    Add to the description of an account that it is a business's number, if it is one.

    Args:
        info: The answer so far, whose first child is its identity.
    """
    if not may_be_number(localpart):
        return
    number: NumberView | None = yield from ask(NumberAt(localpart), NumberView)
    if number is None:
        return
    name = number.number.verified_name
    info.children.insert(1, Element("identity", INFO_NAMESPACE, {"category": "client", "type": "bot", "name": name}))
    info.children.append(Element("feature", INFO_NAMESPACE, {"var": BUSINESS_NAMESPACE}))
    info.children.append(make_form("result", BUSINESS_NAMESPACE, (form_field("verified_name", "text-single", name),)))
