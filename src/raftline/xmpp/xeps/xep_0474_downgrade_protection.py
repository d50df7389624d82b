"""
XEP-0474 SASL SCRAM Downgrade Protection: the whole offer is proved to the client, along with its password.

Whoever can change what the server offers on its way can leave a client nothing but what is weak. The hash of the offer
is an attribute of the server's first message of SCRAM, so it is part of what both sides sign with the password's keys.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

_BETWEEN_NAMES: Final = "\x1e"
_BETWEEN_LISTS: Final = "\x1f"


def register(modules: Modules) -> None:
    """Declare the extension; authentication.py gives each exchange of SCRAM its hash."""
    modules.declare(Declaration(number=474, title="SASL SCRAM Downgrade Protection", version="0.5.0"))


def downgrade_hash(mechanisms: Iterable[str], binding_types: Iterable[str], hash_name: str) -> str:
    """
    Return the attribute `h` for an offer (section 6.1), in base64.

    Args:
        mechanisms: Those of the profile of SASL that the client uses.
        binding_types: Those announced by XEP-0440; none where it was not announced.
        hash_name: Hash function of the mechanism at work.
    """
    offer = _BETWEEN_NAMES.join(sorted(mechanisms))
    types = sorted(binding_types)
    if types:
        offer += _BETWEEN_LISTS + _BETWEEN_NAMES.join(types)
    return b64encode(hashlib.new(hash_name, offer.encode()).digest()).decode()
