"""Questions about nodes; who may not read one is refused as XEP-0060 says. `reader` is a bare JID of this domain."""

from __future__ import annotations

from raftline.machine.queries import Query


class ItemsOf(Query, frozen=True, array_like=True, tag=64):
    """
    Items of a node (XEP-0060 section 6.5). Answer: `NodeItems | Rejected`.

    Attributes:
        item_ids: When not empty, just these, in this order, as far as they exist.
        limit: So many; fewer when they are large.
        after, before: Exclusive bounds by id (XEP-0059); None for none.
        forward: The first ones within the bounds rather than the last.
    """

    owner: str
    reader: str
    node: str
    item_ids: tuple[str, ...] = ()
    limit: int = 1 << 31
    after: str | None = None
    before: str | None = None
    forward: bool = False


class NodesOf(Query, frozen=True, array_like=True, tag=65):
    """Nodes of an account that somebody may read (XEP-0060 section 5.2). Answer: `list[NodeDetails]`, by name."""

    owner: str
    reader: str


class NodeOf(Query, frozen=True, array_like=True, tag=66):
    """A node as its owner manages it, or as others see it. Answer: `NodeDetails | Rejected`."""

    owner: str
    reader: str
    node: str


class NodeSubscriptionsOf(Query, frozen=True, array_like=True, tag=67):
    """
    Subscriptions by name that somebody has at an account (XEP-0060 section 5.6). Answer: `list[NodeSubscription]`.

    Attributes:
        node: Of this node alone; empty for all.
    """

    owner: str
    reader: str
    node: str = ""


class AvatarDigestOf(Query, frozen=True, array_like=True, tag=68):
    """Answer: `str`, the hash of the picture that an account announces; empty for none."""

    localpart: str
