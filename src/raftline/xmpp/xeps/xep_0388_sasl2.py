"""
XEP-0388 Extensible SASL Profile: what is read and written; inline_login.py puts it to work.

    <authenticate mechanism='…'>                   ──>
        <initial-response>…</initial-response>
        <user-agent id='…'/>
        …what else is wanted at once…
    </authenticate>
                                                   <──  <challenge>…</challenge>
    <response>…</response>                         ──>
                                                   <──  <success>
                                                            <additional-data>…</additional-data>
                                                            <authorization-identifier>…</authorization-identifier>
                                                            …what came of the rest…
                                                        </success>
                                                        <stream:features>…</stream:features>

There is no restart of the stream, and nothing else may travel until success or failure. What a client says of itself
beside the id of its installation is not kept. There are no tasks after authentication, so no `<continue/>`.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration
from raftline.xmpp.sasl import SASLFailed, decode_base64

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raftline.xmpp.module import Modules

SASL2_NAMESPACE: Final = "urn:xmpp:sasl:2"
CONDITION_NAMESPACE: Final = "urn:ietf:params:xml:ns:xmpp-sasl"

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Authenticate:
    """
    What a client asks for.

    Attributes:
        initial: The first message of the mechanism; None when it is to be asked for.
        client_id: Of the client installation, a UUID in lower case; empty if it tells none.
    """

    mechanism: str
    initial: bytes | None
    client_id: str


def register(modules: Modules) -> None:
    """Declare the extension; negotiation.py offers it where TLS came first (section 3)."""
    modules.declare(
        Declaration(
            number=388, title="Extensible SASL Profile", version="1.0.4", note="There are no tasks to continue."
        )
    )


def authentication_element(mechanisms: Iterable[str], inline: list[Element]) -> Element:
    """Make the stream feature (section 2.1)."""
    children: list[Element | str] = [Element("mechanism", SASL2_NAMESPACE, {}, [name]) for name in mechanisms]
    children.append(Element("inline", SASL2_NAMESPACE, {}, [*inline]))
    return Element("authentication", SASL2_NAMESPACE, {}, children)


def parse_authenticate(element: Element) -> Authenticate:
    """
    Read `<authenticate/>`, without what is inline (section 2.3).

    Raises:
        SASLFailed: `malformed-request` for an id that is no UUID, `incorrect-encoding`.
    """
    initial = element.child("initial-response", SASL2_NAMESPACE)
    user_agent = element.child("user-agent", SASL2_NAMESPACE)
    client_id = "" if user_agent is None else user_agent.attributes.get("id", "")
    if client_id and not _UUID.fullmatch(client_id):
        raise SASLFailed("malformed-request", "The id of a user agent is a UUID.")
    return Authenticate(
        element.attributes.get("mechanism", ""),
        None if initial is None else decode_base64(initial.text),
        client_id.lower(),
    )


def challenge_element(data: bytes) -> Element:
    """Write a challenge (section 2.5)."""
    return Element("challenge", SASL2_NAMESPACE, {}, _encoded(data))


def success_element(data: bytes, identity: str, results: list[Element]) -> Element:
    """
    Write the success (section 2.6.1).

    Args:
        data: Last message of the mechanism; empty for none.
        identity: Bare JID, or the full one where a resource is bound.
        results: What came of what was asked for inline.
    """
    children: list[Element | str] = []
    if data:
        children.append(Element("additional-data", SASL2_NAMESPACE, {}, _encoded(data)))
    children.append(Element("authorization-identifier", SASL2_NAMESPACE, {}, [identity]))
    return Element("success", SASL2_NAMESPACE, {}, [*children, *results])


def failure_element(condition: str, text: str) -> Element:
    """Write the failure with a condition of RFC 6120 section 6.5 (section 2.6.2)."""
    children: list[Element | str] = [Element(condition, CONDITION_NAMESPACE)]
    if text:
        children.append(Element("text", SASL2_NAMESPACE, {}, [text]))
    return Element("failure", SASL2_NAMESPACE, {}, children)


def _encoded(data: bytes) -> list[Element | str]:
    return [b64encode(data).decode()] if data else []
