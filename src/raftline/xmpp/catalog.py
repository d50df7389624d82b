"""Everything this service speaks, in one list; disco, the table of XEPs and the DOAP file are made of it."""

from __future__ import annotations

from collections.abc import Callable

from raftline.xmpp import messages, presence, render, roster
from raftline.xmpp.module import Modules
from raftline.xmpp.xeps import (
    xep_0012_last_activity,
    xep_0030_disco,
    xep_0045_muc,
    xep_0049_private_storage,
    xep_0054_vcard,
    xep_0077_registration,
    xep_0092_version,
    xep_0115_capabilities,
    xep_0160_offline,
    xep_0191_blocking,
    xep_0198_stream_management,
    xep_0199_ping,
    xep_0202_time,
    xep_0203_delay,
    xep_0249_direct_invitations,
    xep_0280_carbons,
    xep_0313_mam,
    xep_0352_client_state,
    xep_0359_stanza_ids,
    xep_0390_capabilities,
    xep_0410_self_ping,
    xep_0421_occupant_ids,
    xep_0425_moderation,
    xep_0478_stream_limits,
    xep_0486_room_avatars,
)


def all_modules(*, wall_clock_ms: Callable[[], int] | None = None) -> Modules:
    """
    Register every module.

    Args:
        wall_clock_ms: Tells milliseconds since 1970. Without it, what needs a clock (XEP-0012, XEP-0202) is left out.
    """
    modules = Modules()
    for module in (  # in the order of their numbers, after the RFCs
        messages,
        presence,
        roster,
        render,
        xep_0030_disco,
        xep_0045_muc,
        xep_0049_private_storage,
        xep_0054_vcard,
        xep_0077_registration,
        xep_0092_version,
        xep_0115_capabilities,
        xep_0160_offline,
        xep_0191_blocking,
        xep_0198_stream_management,
        xep_0199_ping,
        xep_0203_delay,
        xep_0249_direct_invitations,
        xep_0280_carbons,
        xep_0313_mam,
        xep_0352_client_state,
        xep_0359_stanza_ids,
        xep_0390_capabilities,
        xep_0410_self_ping,
        xep_0421_occupant_ids,
        xep_0425_moderation,
        xep_0478_stream_limits,
        xep_0486_room_avatars,
    ):
        module.register(modules)
    if wall_clock_ms is not None:
        xep_0012_last_activity.register(modules, wall_clock_ms)
        xep_0202_time.register(modules, wall_clock_ms)
    return modules
