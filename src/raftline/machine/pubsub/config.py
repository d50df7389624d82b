"""
The configuration of a node (XEP-0060 section 8.2): defaults of XEP-0163 section 5, options on top of them.

A node keeps the fields that differ from the defaults as they were when the node was made or configured; the defaults
themselves may so only change together with the machine version.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from raftline.base.limits import (
    PUBSUB_ITEM_COUNT_MAX,
    PUBSUB_ITEM_EXPIRE_S_MAX,
    PUBSUB_TEXT_SIZE_MAX,
    ROSTER_GROUP_COUNT_MAX,
    ROSTER_GROUP_SIZE_MAX,
)
from raftline.machine.outcomes import Rejected
from raftline.machine.pubsub.commands import NodeOptions
from raftline.machine.pubsub.values import NodeConfig

ERRORS: Final = "http://jabber.org/protocol/pubsub#errors"
"""Namespace of the conditions that XEP-0060 adds to an error."""

ACCESS_MODELS: Final = ("open", "presence", "roster", "whitelist")
SEND_LAST_MODELS: Final = ("never", "on_sub", "on_sub_and_presence")
NOTIFICATION_TYPES: Final = ("normal", "headline")

DEFAULTS: Final = NodeConfig()

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(NodeOptions)


def check_options(options: NodeOptions) -> Rejected | None:
    """Return why options cannot be (sections 8.1.2, 8.2.5.2), or None."""
    if options.access_model is not None and options.access_model not in ACCESS_MODELS:
        detail = f"{{{ERRORS}}}unsupported-access-model"
        return Rejected("not-acceptable", "modify", "There is no such access model here.", detail)
    if options.send_last_published_item not in (None, *SEND_LAST_MODELS):
        return _not_acceptable("There is no such time to send the last item.")
    if options.notification_type not in (None, *NOTIFICATION_TYPES):
        return _not_acceptable("There is no such type of notification.")
    if options.max_items is not None and options.max_items > PUBSUB_ITEM_COUNT_MAX:
        return _not_acceptable(f"At most {PUBSUB_ITEM_COUNT_MAX} items are kept.")
    if options.item_expire is not None and options.item_expire > PUBSUB_ITEM_EXPIRE_S_MAX:
        return _not_acceptable(f"An item expires within {PUBSUB_ITEM_EXPIRE_S_MAX} seconds, or never.")
    texts = (options.title or "", options.description or "", options.type or "")
    if any(len(text.encode()) > PUBSUB_TEXT_SIZE_MAX for text in texts):
        return _not_acceptable(f"A text has at most {PUBSUB_TEXT_SIZE_MAX} bytes.")
    groups = options.roster_groups_allowed or ()
    if len(groups) > ROSTER_GROUP_COUNT_MAX or any(len(group.encode()) > ROSTER_GROUP_SIZE_MAX for group in groups):
        return _not_acceptable("There are too many groups, or one has too long a name.")
    return None


def encode_config(config: NodeConfig) -> bytes:
    """Write a configuration as a row keeps it."""
    fields = {
        name: value for name in config.__struct_fields__ if (value := getattr(config, name)) != getattr(DEFAULTS, name)
    }
    return _ENCODER.encode(NodeOptions(**fields))


@lru_cache(maxsize=1024)
def decode_config(data: bytes) -> NodeConfig:
    """Read what `encode_config` wrote."""
    return merge(DEFAULTS, _DECODER.decode(data))


def merge(config: NodeConfig, options: NodeOptions | None) -> NodeConfig:
    """Return a configuration with the options in place."""
    if options is None:
        return config
    return msgspec.structs.replace(
        config,
        **{name: value for name in options.__struct_fields__ if (value := getattr(options, name)) is not None},
    )


def kept_count(config: NodeConfig) -> int:
    """Return how many items are kept at most; none of a node that does not keep them."""
    return (config.max_items or PUBSUB_ITEM_COUNT_MAX) if config.persist_items else 0


def is_met(config: NodeConfig, options: NodeOptions | None) -> bool:
    """Whether a node is as a publisher asks that it be (section 7.1.5)."""
    return merge(config, options) == config


def _not_acceptable(text: str) -> Rejected:
    return Rejected("not-acceptable", "modify", text)
