"""Everything this service speaks, in one list; disco, the table of XEPs and the DOAP file are made of it."""

from __future__ import annotations

from collections.abc import Callable

from raftline.xmpp import messages, presence, render, roster
from raftline.xmpp.module import Modules
from raftline.xmpp.xeps import (
    xep_0012_last_activity,
    xep_0030_disco,
    xep_0049_private_storage,
    xep_0054_vcard,
    xep_0060_pubsub,
    xep_0077_registration,
    xep_0092_version,
    xep_0115_capabilities,
    xep_0160_offline,
    xep_0163_pep,
    xep_0191_blocking,
    xep_0198_stream_management,
    xep_0199_ping,
    xep_0202_time,
    xep_0203_delay,
    xep_0280_carbons,
    xep_0313_mam,
    xep_0352_client_state,
    xep_0359_stanza_ids,
    xep_0390_capabilities,
    xep_0398_avatar_conversion,
    xep_0402_bookmarks,
    xep_0478_stream_limits,
    xep_0490_displayed_sync,
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
        xep_0049_private_storage,
        xep_0054_vcard,
        xep_0060_pubsub,
        xep_0077_registration,
        xep_0092_version,
        xep_0115_capabilities,
        xep_0160_offline,
        xep_0163_pep,
        xep_0191_blocking,
        xep_0198_stream_management,
        xep_0199_ping,
        xep_0203_delay,
        xep_0280_carbons,
        xep_0313_mam,
        xep_0352_client_state,
        xep_0359_stanza_ids,
        xep_0390_capabilities,
        xep_0398_avatar_conversion,
        xep_0402_bookmarks,
        xep_0478_stream_limits,
        xep_0490_displayed_sync,
    ):
        module.register(modules)
    if wall_clock_ms is not None:
        xep_0012_last_activity.register(modules, wall_clock_ms)
        xep_0202_time.register(modules, wall_clock_ms)
    return modules
