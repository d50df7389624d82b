"""Everything this service speaks, in one list; disco, the table of XEPs and the DOAP file are made of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from raftline.xmpp import messages, pins, presence, render, roster, view_once
from raftline.xmpp.module import Modules
from raftline.xmpp.polls import extension as polls
from raftline.xmpp.xeps import (
    xep_0012_last_activity,
    xep_0030_disco,
    xep_0045_muc,
    xep_0049_private_storage,
    xep_0050_commands,
    xep_0054_vcard,
    xep_0060_pubsub,
    xep_0077_registration,
    xep_0080_location,
    xep_0085_chat_states,
    xep_0092_version,
    xep_0114_components,
    xep_0115_capabilities,
    xep_0124_bosh,
    xep_0133_administration,
    xep_0156_alternative_connections,
    xep_0157_contacts,
    xep_0160_offline,
    xep_0163_pep,
    xep_0184_receipts,
    xep_0191_blocking,
    xep_0198_stream_management,
    xep_0199_ping,
    xep_0202_time,
    xep_0203_delay,
    xep_0206_xmpp_over_bosh,
    xep_0215_external_services,
    xep_0249_direct_invitations,
    xep_0280_carbons,
    xep_0308_correction,
    xep_0313_mam,
    xep_0318_probes,
    xep_0333_markers,
    xep_0334_hints,
    xep_0352_client_state,
    xep_0353_calls,
    xep_0357_push,
    xep_0359_stanza_ids,
    xep_0363_http_upload,
    xep_0368_direct_tls,
    xep_0377_reports,
    xep_0386_bind2,
    xep_0388_sasl2,
    xep_0390_capabilities,
    xep_0398_avatar_conversion,
    xep_0401_invitations,
    xep_0402_bookmarks,
    xep_0410_self_ping,
    xep_0421_occupant_ids,
    xep_0424_retraction,
    xep_0425_moderation,
    xep_0430_inbox,
    xep_0431_full_text,
    xep_0440_channel_binding,
    xep_0441_preferences,
    xep_0444_reactions,
    xep_0445_preauth,
    xep_0447_file_sharing,
    xep_0449_stickers,
    xep_0455_service_outage,
    xep_0461_replies,
    xep_0463_list_versions,
    xep_0466_ephemeral,
    xep_0474_downgrade_protection,
    xep_0478_stream_limits,
    xep_0484_fast,
    xep_0486_room_avatars,
    xep_0487_host_meta_2,
    xep_0490_displayed_sync,
    xep_0492_alerts,
    xep_0500_slow_mode,
)
from raftline.xmpp.xeps.xep_0215_external_services import ExternalServices
from raftline.xmpp.xeps.xep_0363_http_upload import UploadService

MODULES: Final = (
    messages,
    presence,
    roster,
    render,
    xep_0030_disco,
    xep_0045_muc,
    xep_0049_private_storage,
    xep_0050_commands,
    xep_0054_vcard,
    xep_0060_pubsub,
    xep_0077_registration,
    xep_0080_location,
    xep_0085_chat_states,
    xep_0092_version,
    xep_0115_capabilities,
    xep_0124_bosh,
    xep_0156_alternative_connections,
    xep_0160_offline,
    xep_0163_pep,
    xep_0184_receipts,
    xep_0191_blocking,
    xep_0198_stream_management,
    xep_0199_ping,
    xep_0203_delay,
    xep_0206_xmpp_over_bosh,
    xep_0249_direct_invitations,
    xep_0280_carbons,
    xep_0308_correction,
    xep_0313_mam,
    xep_0333_markers,
    xep_0334_hints,
    xep_0352_client_state,
    xep_0353_calls,
    xep_0357_push,
    xep_0359_stanza_ids,
    xep_0368_direct_tls,
    xep_0377_reports,
    xep_0386_bind2,
    xep_0388_sasl2,
    xep_0390_capabilities,
    xep_0398_avatar_conversion,
    xep_0402_bookmarks,
    xep_0424_retraction,
    xep_0430_inbox,
    xep_0431_full_text,
    xep_0440_channel_binding,
    xep_0441_preferences,
    xep_0444_reactions,
    xep_0445_preauth,
    xep_0449_stickers,
    xep_0447_file_sharing,
    xep_0461_replies,
    xep_0463_list_versions,
    xep_0466_ephemeral,
    xep_0474_downgrade_protection,
    xep_0478_stream_limits,
    xep_0484_fast,
    xep_0487_host_meta_2,
    xep_0490_displayed_sync,
    xep_0492_alerts,
    xep_0410_self_ping,
    xep_0421_occupant_ids,
    xep_0425_moderation,
    xep_0486_room_avatars,
    xep_0500_slow_mode,
    polls,
    pins,
    view_once,
)
"""Those that need nothing but the registry: the RFCs, then the XEPs by number, then extensions of our own."""


def all_modules(
    *,
    wall_clock_ms: Callable[[], int] | None = None,
    administrators: Collection[str] = (),
    users_register: bool = True,
    page_url: str = "",
    contacts: Mapping[str, Sequence[str]] = MappingProxyType({}),
    status_addresses: Sequence[str] = (),
    external_services: ExternalServices | None = None,
    components: Collection[str] = (),
    uploads: UploadService | None = None,
) -> Modules:
    """
    Register every module.

    Args:
        administrators: Bare JIDs of those who may use commands of administration (XEP-0133, XEP-0401).
        users_register: Who is invited by a user may open an account (XEP-0401).
        page_url: Where browsers reach this node by HTTPS; empty for nowhere.
        components: Labels of external components that may connect (XEP-0114).
        contacts: URIs to turn to, by what for (XEP-0157).
        status_addresses: Where clients look when the service is out of order (XEP-0455).
        wall_clock_ms: Tells milliseconds since 1970. Without it, what needs a clock (XEP-0012, XEP-0202, XEP-0215,
            XEP-0318) is left out.
        external_services: Those an operator offers; without them XEP-0215 is left out.
        uploads: Where files are put, and how large they may be; without it XEP-0363 is left out.
    """
    modules = Modules(page_url=page_url, administrators=frozenset(administrators), users_register=users_register)
    for module in MODULES:
        module.register(modules)
    xep_0455_service_outage.register(modules, status_addresses)
    xep_0114_components.register(modules, components)
    xep_0133_administration.register(modules, administrators)
    xep_0401_invitations.register(modules, administrators, users_register=users_register, page_url=page_url)
    xep_0157_contacts.register(modules, contacts)
    if uploads is not None:
        xep_0363_http_upload.register(modules, uploads)
    if wall_clock_ms is not None:
        xep_0012_last_activity.register(modules, wall_clock_ms)
        xep_0202_time.register(modules, wall_clock_ms)
        xep_0318_probes.register(modules, wall_clock_ms)
        if external_services is not None:
            xep_0215_external_services.register(modules, external_services, wall_clock_ms)
    return modules
