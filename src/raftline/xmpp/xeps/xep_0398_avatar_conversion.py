"""
XEP-0398 User Avatar to vCard-Based Avatars Conversion, and XEP-0153 vCard-Based Avatars.

One picture, two forms; the conversion is in avatars.py, beside which xep_0054_vcard.py and presence.py use it. It is
the second variant of section 6.2: the picture is kept as the items of XEP-0084, and cards are given it when they are
asked for, by whoever may read those items. A card that brings a picture publishes it, with open access, as the card
has. The hash of presence that goes to contacts is added by apply (machine/pubsub/photos.py), which shows it anew when
the picture changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Say so to service discovery (section 2)."""
    modules.declare(Declaration(number=153, title="vCard-Based Avatars", version="1.1.1"))
    modules.declare(
        Declaration(
            number=398,
            title="User Avatar to vCard-Based Avatars Conversion",
            version="1.0.0",
            account_features=("urn:xmpp:pep-vcard-conversion:0",),
        )
    )
