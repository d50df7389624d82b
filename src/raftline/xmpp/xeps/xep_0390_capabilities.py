"""XEP-0390 Entity Capabilities 2.0: what XEP-0115 does, with a sound encoding and SHA-256."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from raftline.xmpp.capabilities import features_of, forms_of, identities_of, server_info
from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

CAPABILITIES_2_NAMESPACE: Final = "urn:xmpp:caps"
HASHES_NAMESPACE: Final = "urn:xmpp:hashes:2"
ALGORITHM: Final = "sha-256"

_END_OF_VALUE: Final = b"\x1f"
_END_OF_GROUP: Final = b"\x1e"
"""Of an identity, or of the field of a form."""
_END_OF_FORM: Final = b"\x1d"
_END_OF_PART: Final = b"\x1c"


def register(modules: Modules) -> None:
    """Offer the hash (section 5.2) and answer for its node (section 5.5)."""
    modules.declare(
        Declaration(
            number=390,
            title="Entity Capabilities 2.0",
            version="0.3.2",
            features=(CAPABILITIES_2_NAMESPACE,),
        )
    )
    modules.stream_features.append(feature_element)
    modules.disco_nodes.append(node_of)


def feature_element(modules: Modules) -> Element:
    """Make the stream feature (section 5.2)."""
    value = capability_hash(server_info(modules))
    return Element(
        "c", CAPABILITIES_2_NAMESPACE, None, [Element("hash", HASHES_NAMESPACE, {"algo": ALGORITHM}, [value])]
    )


def node_of(modules: Modules) -> str:
    """Name the node whose discovery the hash is of (section 4.3)."""
    return f"{CAPABILITIES_2_NAMESPACE}#{ALGORITHM}.{capability_hash(server_info(modules))}"


def capability_hash(info: Element) -> str:
    """Hash an answer of service discovery (section 4.1)."""
    features = sorted(feature.encode() + _END_OF_VALUE for feature in features_of(info))
    identities = sorted(
        b"".join(value.encode() + _END_OF_VALUE for value in identity) + _END_OF_GROUP
        for identity in identities_of(info)
    )
    forms = sorted(b"".join(sorted(map(_encoded_field, form))) + _END_OF_FORM for form in forms_of(info))
    data = b"".join(b"".join(part) + _END_OF_PART for part in (features, identities, forms))
    return b64encode(sha256(data).digest()).decode()


def _encoded_field(field: tuple[str, list[str]]) -> bytes:
    name, values = field
    return b"".join(text.encode() + _END_OF_VALUE for text in (name, *values)) + _END_OF_GROUP
