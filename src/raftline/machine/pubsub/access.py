"""
Who may read a node: its access model, and its affiliations on top of it (XEP-0060 sections 4.1, 4.5).

The owner may do all. An outcast may do nothing, a member may read whatever the model. Everybody else is asked by the
model: `presence` who is subscribed to the owner's presence, `roster` who is in a group that is named, `whitelist`
nobody. A node is read by retrieving its items, by subscribing, and by being notified; all three ask here, each time.
"""

from __future__ import annotations

from typing import Final

import msgspec

from raftline.machine.context import Context
from raftline.machine.outcomes import Rejected
from raftline.machine.pubsub.config import ERRORS, decode_config
from raftline.machine.pubsub.tables import Node
from raftline.machine.records import SUBSCRIBED_FROM, Account

NO_SUCH_NODE: Final = Rejected("item-not-found", "cancel", "There is no such node.")
FORBIDDEN: Final = Rejected("forbidden", "auth", "This belongs to somebody else.")

_OUTCAST: Final = Rejected("forbidden", "auth", "You are kept from this node.")
_PRESENCE_NEEDED: Final = Rejected(
    "not-authorized", "auth", "Its owner shows it to contacts.", f"{{{ERRORS}}}presence-subscription-required"
)
_GROUP_NEEDED: Final = Rejected(
    "not-authorized", "auth", "Its owner shows it to some contacts.", f"{{{ERRORS}}}not-in-roster-group"
)
_CLOSED: Final = Rejected("not-allowed", "cancel", "Its owner shows it to nobody else.", f"{{{ERRORS}}}closed-node")

_GROUPS_DECODER: Final = msgspec.msgpack.Decoder(tuple[str, ...])


def refusal_of(context: Context, account: Account, node: Node, reader: str) -> Rejected | None:
    """Return why somebody, by bare JID, may not read a node of an account; None who may."""
    if reader == context.bare_jid(account.localpart):
        return None
    row = context.pubsub.affiliations.get((node.account_id, node.node, reader))
    if row is not None:
        return _OUTCAST if row.affiliation == "outcast" else None
    config = decode_config(node.config)
    if config.access_model == "open":
        return None
    if config.access_model == "whitelist":
        return _CLOSED
    entry = context.roster.get((account.account_id, reader))
    sees_presence = entry is not None and bool(entry.subscription & SUBSCRIBED_FROM)
    if config.access_model == "presence":
        return None if sees_presence else _PRESENCE_NEEDED
    if entry is None or not sees_presence:
        return _GROUP_NEEDED
    groups = _GROUPS_DECODER.decode(entry.groups)
    return None if any(group in config.roster_groups_allowed for group in groups) else _GROUP_NEEDED
