"""
XEP-0163 Personal Eventing Protocol: every account is a publish-subscribe service that its contacts hear of.

Requests are those of XEP-0060 (xep_0060_pubsub.py). Who hears of what is decided by apply, from rosters, presence and
capabilities (machine/pubsub/notifications.py). What stands on it needs no code here, but is declared here where it has
a number: avatars (XEP-0084), persistent public data (XEP-0222) and private data (XEP-0223), and the device lists and
bundles of OMEMO (XEP-0384), which are nodes with open access.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration
from raftline.xmpp.pubsub.vocabulary import PUBSUB_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Say so to service discovery (section 6.1)."""
    modules.declare(
        Declaration(
            number=163,
            title="Personal Eventing Protocol",
            version="1.2.2",
            account_features=(
                f"{PUBSUB_NAMESPACE}#auto-subscribe",
                f"{PUBSUB_NAMESPACE}#filtered-notifications",
                f"{PUBSUB_NAMESPACE}#pubsub-on-a-jid",
            ),
            note="Notifications do not tell which resource published.",
        )
    )
    modules.declare(Declaration(number=84, title="User Avatar", version="1.1.4"))
    modules.declare(Declaration(number=222, title="Persistent Storage of Public Data via PubSub", version="1.0"))
    modules.declare(Declaration(number=223, title="Persistent Storage of Private Data via PubSub", version="1.1.1"))
    modules.declare(Declaration(number=384, title="OMEMO Encryption", version="0.9.1"))
    modules.account_identities.append(("pubsub", "pep"))
