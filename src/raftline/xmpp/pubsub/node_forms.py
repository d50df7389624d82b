"""The configuration of a node as a data form, and back (XEP-0060 sections 7.1.5, 8.2, 16.4.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from raftline.base.errors import Refused
from raftline.machine.pubsub.commands import NodeOptions
from raftline.machine.pubsub.config import ACCESS_MODELS, NOTIFICATION_TYPES, SEND_LAST_MODELS
from raftline.machine.pubsub.values import NodeConfig
from raftline.xmpp.data_forms import boolean_field, choice_field, make_form, read_boolean, read_choice, read_text
from raftline.xmpp.element import Element
from raftline.xmpp.payloads import form_field, parse_form
from raftline.xmpp.pubsub.vocabulary import refused

CONFIG_FORM: Final = "http://jabber.org/protocol/pubsub#node_config"
OPTIONS_FORM: Final = "http://jabber.org/protocol/pubsub#publish-options"
METADATA_FORM: Final = "http://jabber.org/protocol/pubsub#meta-data"

_PREFIX: Final = "pubsub#"
_PUBLISH_MODELS: Final = ("publishers",)
"""The owner alone publishes (XEP-0163 section 2.2)."""
_COUNT_DIGITS_MAX: Final = 9


def _read_count(values: Sequence[str]) -> int:
    """Read how many items or seconds at most; 0 for as many as the service allows, or for ever."""
    text = read_text(values)
    if text == "max":
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= _COUNT_DIGITS_MAX and int(text)):
        raise ValueError("no number, or too great a one")
    return int(text)


_READERS: Final[Mapping[str, Callable[[Sequence[str]], Any]]] = MappingProxyType(
    {
        "access_model": read_text,  # a model that is unknown has an error of its own, which apply gives
        "persist_items": read_boolean,
        "max_items": _read_count,
        "send_last_published_item": partial(read_choice, choices=SEND_LAST_MODELS),
        "deliver_notifications": read_boolean,
        "deliver_payloads": read_boolean,
        "notify_retract": read_boolean,
        "notify_delete": read_boolean,
        "notify_config": read_boolean,
        "notification_type": partial(read_choice, choices=NOTIFICATION_TYPES),
        "roster_groups_allowed": tuple,
        "title": read_text,
        "description": read_text,
        "type": read_text,
        "item_expire": _read_count,
    }
)
assert set(_READERS) == set(NodeOptions.__struct_fields__)


def read_publish_options(parent: Element) -> NodeOptions | None:
    """
    Read the preconditions of a publication; None when there are none.

    Raises:
        Refused: `conflict` with `precondition-not-met` for a field that no node here could meet (section 7.1.5),
            `bad-request` for a form that is none.
    """
    fields = parse_form(parent, OPTIONS_FORM)
    if fields is None:
        return None
    known = _read_fields(fields)
    if known is None or set(fields) - set(known) - {_PREFIX + "publish_model"}:
        raise refused("conflict", "cancel", "precondition-not-met", "No node can be configured like this.")
    return NodeOptions(**{name.removeprefix(_PREFIX): value for name, value in known.items()})


def read_config(parent: Element) -> NodeOptions | None:
    """
    Read a submitted configuration; None when there is none. Fields that are not supported are left out.

    Raises:
        Refused: `not-acceptable` for a value that cannot be (section 8.2.5.2), `bad-request` for a form that is none.
    """
    fields = parse_form(parent, CONFIG_FORM)
    if fields is None:
        return None
    known = _read_fields(fields)
    if known is None:
        raise Refused("not-acceptable", "modify", "A field has a value that it cannot have.")
    return NodeOptions(**{name.removeprefix(_PREFIX): value for name, value in known.items()})


def _read_fields(fields: Mapping[str, Sequence[str]]) -> dict[str, Any] | None:
    """Return the values of fields that are supported, by name; None when one has a value that it cannot have."""
    known: dict[str, Any] = {}
    try:
        for name, values in fields.items():
            reader = _READERS.get(name.removeprefix(_PREFIX)) if name.startswith(_PREFIX) else None
            if reader is not None:
                known[name] = reader(values)
            elif name == _PREFIX + "publish_model":
                read_choice(values, _PUBLISH_MODELS)
    except ValueError:
        return None
    return known


def config_form(config: NodeConfig, *, kind: str = "form") -> Element:
    """Make the form of a configuration, to be filled in or for information."""
    fields = [
        form_field("pubsub#title", "text-single", config.title),
        form_field("pubsub#description", "text-single", config.description),
        form_field("pubsub#type", "text-single", config.type),
        choice_field("pubsub#access_model", config.access_model, ACCESS_MODELS),
        form_field("pubsub#roster_groups_allowed", "list-multi", *config.roster_groups_allowed),
        choice_field("pubsub#publish_model", "publishers", _PUBLISH_MODELS),
        boolean_field("pubsub#persist_items", value=config.persist_items),
        form_field("pubsub#max_items", "text-single", _count_text(config)),
        form_field("pubsub#item_expire", "text-single", str(config.item_expire or "max")),
        choice_field("pubsub#send_last_published_item", config.send_last_published_item, SEND_LAST_MODELS),
        boolean_field("pubsub#deliver_notifications", value=config.deliver_notifications),
        boolean_field("pubsub#deliver_payloads", value=config.deliver_payloads),
        choice_field("pubsub#notification_type", config.notification_type, NOTIFICATION_TYPES),
        boolean_field("pubsub#notify_config", value=config.notify_config),
        boolean_field("pubsub#notify_delete", value=config.notify_delete),
        boolean_field("pubsub#notify_retract", value=config.notify_retract),
    ]
    return make_form(kind, CONFIG_FORM, fields)


def metadata_form(owner: str, config: NodeConfig, creation_date: str) -> Element:
    """Make what service discovery tells of a node (section 5.4)."""
    fields = [
        form_field("pubsub#title", "text-single", config.title),
        form_field("pubsub#description", "text-single", config.description),
        form_field("pubsub#type", "text-single", config.type),
        form_field("pubsub#creator", "jid-single", owner),
        form_field("pubsub#owner", "jid-multi", owner),
        form_field("pubsub#publisher", "jid-multi", owner),
        form_field("pubsub#creation_date", "text-single", creation_date),
        form_field("pubsub#access_model", "list-single", config.access_model),
        form_field("pubsub#publish_model", "list-single", "publishers"),
        form_field("pubsub#max_items", "text-single", _count_text(config)),
    ]
    return make_form("result", METADATA_FORM, fields)


def _count_text(config: NodeConfig) -> str:
    return str(config.max_items or "max")
