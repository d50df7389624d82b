"""
XEP-0386 Bind 2: a resource bound as part of the login, with its features turned on from the start.

The resource is `tag/name`, the tag chosen by the client and the name by us: made of the id of its installation and a
key of the cluster, so that the same client has the same resource each time, on every node, and its id stays unknown.
Who binds again ends what it bound before.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raftline.xmpp.element import Element
from raftline.xmpp.jid import prepare_resource
from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import CARBONS_NAMESPACE
from raftline.xmpp.sasl import SASLFailed

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

BIND2_NAMESPACE: Final = "urn:xmpp:bind:0"

INLINE_FEATURES: Final = (CARBONS_NAMESPACE, "urn:xmpp:csi:0", "urn:xmpp:sm:3")
"""What can be turned on with the bind."""

NAME_BYTES: Final = 12
"""Of the digest, or the chance, that a resource's name is made of."""


@dataclass(frozen=True, slots=True)
class BindRequest:
    """
    What a client asks for.

    Attributes:
        resource: Prepared; ends in `client` where that is not empty.
        client: Stands for the client installation; empty if that is not known.
        carbons: Copies of messages are wanted (XEP-0280).
        is_inactive: Nobody looks at the client now (XEP-0352).
        enable: The element that turns stream management on (XEP-0198); None if it is to stay off.
    """

    resource: str
    client: str
    carbons: bool
    is_inactive: bool
    enable: Element | None


def register(modules: Modules) -> None:
    """Declare the extension; inline_login.py offers it and puts it to work."""
    modules.declare(
        Declaration(
            number=386,
            title="Bind 2",
            version="1.1.0",
            note="Offline messages that the archive does not have are not cleared; they come with the first presence.",
        )
    )


def bind_feature() -> Element:
    """Make the inline feature (section 3.1)."""
    features: list[Element | str] = [Element("feature", BIND2_NAMESPACE, {"var": name}) for name in INLINE_FEATURES]
    return Element("bind", BIND2_NAMESPACE, {}, [Element("inline", BIND2_NAMESPACE, {}, features)])


def stable_name(key: bytes, localpart: str, client_id: str) -> str:
    """Return the name that stands for a client installation in its resource (section 3.2.1)."""
    data = f"resource {localpart} {client_id}".encode()
    return _text(hashlib.blake2b(data, key=key, digest_size=NAME_BYTES).digest())


def fresh_name(chance: bytes) -> str:
    """Return the name in the resource of a client that does not tell which it is; of `NAME_BYTES` of chance."""
    return _text(chance)


def parse_bind(element: Element, name: str, *, is_stable: bool) -> BindRequest:
    """
    Read `<bind/>` (section 3.2).

    Args:
        name: What the resource ends in.

    Raises:
        SASLFailed: `malformed-request` for a tag that no resource can begin with.
    """
    tag = element.child("tag", BIND2_NAMESPACE)
    try:
        resource = prepare_resource(f"{tag.text}/{name}" if tag is not None and tag.text else name)
    except ValueError as error:
        raise SASLFailed("malformed-request", "This cannot be a tag.") from error
    return BindRequest(
        resource,
        name if is_stable else "",
        carbons=element.child("enable", CARBONS_NAMESPACE) is not None,
        is_inactive=element.child("inactive", "urn:xmpp:csi:0") is not None,
        enable=element.child("enable", "urn:xmpp:sm:3"),
    )


def bound_element(results: list[Element]) -> Element:
    """Write what came of it: the state of the archive, and the answers of what was turned on (section 3.2)."""
    return Element("bound", BIND2_NAMESPACE, {}, [*results])


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
