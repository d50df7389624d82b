"""
XEP-0359 Unique and Stable Stanza IDs: the archive id of a message, on the message.

An id is a position in the replicated log under the cluster's epoch (base/ids.py): the same on every node and at every
delivery. The XEP recommends ids that tell nothing; ours tell how busy the cluster as a whole is, never one archive,
and in return an archive needs no table from ids to places.

render.py writes it, on behalf of the account that receives (section 3, rule 7). messages.py removes what claims to be
one by an account of this domain (rule 2), leaves those of others (rule 3), and hands on the origin id, under which a
message that is sent again is known (section 2.2; design of `SendMessage`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import STANZA_ID_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Announce that stanza ids by accounts of this server can be trusted (section 5)."""
    modules.declare(
        Declaration(
            number=359,
            title="Unique and Stable Stanza IDs",
            version="0.7.0",
            status="partial",
            features=(STANZA_ID_NAMESPACE,),
            account_features=(STANZA_ID_NAMESPACE,),
            note="Ids are positions in the log: they tell how busy the cluster is, though never one archive.",
        )
    )
