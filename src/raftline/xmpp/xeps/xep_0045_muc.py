"""
XEP-0045 Multi-User Chat: the host `conference.DOMAIN`, its rooms and who is in them.

Who may do what, who is told what and in which order is decided by apply (machine/rooms); here stanzas become commands
and events become stanzas, by use case in ../rooms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.machine.rooms.markup import MODERATE_NAMESPACE
from raftline.xmpp.ad_hoc import COMMANDS_NAMESPACE
from raftline.xmpp.avatars import VCARD_NAMESPACE
from raftline.xmpp.capabilities import INFO_NAMESPACE, ITEMS_NAMESPACE
from raftline.xmpp.module import Declaration, Host
from raftline.xmpp.rooms import (
    administration,
    archive,
    commands,
    discovery,
    messages,
    moderation,
    occupants,
    ownership,
    presence,
    registration,
    render,
)
from raftline.xmpp.rooms.names import ADMIN_NAMESPACE, LABEL, OWNER_NAMESPACE, PING_NAMESPACE

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Add the host of rooms."""
    modules.declare(
        Declaration(
            number=45,
            title="Multi-User Chat",
            version="1.35.5",
            status="partial",
            note="Entering by the groupchat 1.0 protocol is refused; one invitation a message.",
        )
    )
    host = Host(
        LABEL,
        "Rooms",
        message_handler=messages.handle_message,
        presence_handler=presence.handle_presence,
        request_handler=occupants.handle_request,
        answer_handler=occupants.handle_answer,
        archive_of=archive.archive_of,
    )
    host.on_iq("host", "get", INFO_NAMESPACE, "query", discovery.handle_host_info)
    host.on_iq("host", "get", ITEMS_NAMESPACE, "query", discovery.handle_host_items)
    host.on_iq("host", "get", PING_NAMESPACE, "ping", discovery.handle_host_ping)
    host.on_iq("entity", "get", INFO_NAMESPACE, "query", discovery.handle_room_info)
    host.on_iq("entity", "get", ITEMS_NAMESPACE, "query", discovery.handle_room_items)
    host.on_iq("entity", "get", ADMIN_NAMESPACE, "query", administration.handle_get)
    host.on_iq("entity", "set", ADMIN_NAMESPACE, "query", administration.handle_set)
    host.on_iq("entity", "get", OWNER_NAMESPACE, "query", ownership.handle_get)
    host.on_iq("entity", "set", OWNER_NAMESPACE, "query", ownership.handle_set)
    host.on_iq("entity", "get", VCARD_NAMESPACE, "vCard", ownership.handle_vcard_get)
    host.on_iq("entity", "set", VCARD_NAMESPACE, "vCard", ownership.handle_vcard_set)
    host.on_iq("entity", "get", registration.REGISTER_NAMESPACE, "query", registration.handle_get)
    host.on_iq("entity", "set", registration.REGISTER_NAMESPACE, "query", registration.handle_set)
    host.on_iq("entity", "set", MODERATE_NAMESPACE, "moderate", moderation.handle_moderate)
    host.on_iq("entity", "set", COMMANDS_NAMESPACE, "command", commands.handle_command)
    modules.add_host(host)
    render.register(modules)
