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
    xep_0077_registration,
    xep_0085_chat_states,
    xep_0092_version,
    xep_0115_capabilities,
    xep_0160_offline,
    xep_0184_receipts,
    xep_0191_blocking,
    xep_0198_stream_management,
    xep_0199_ping,
    xep_0202_time,
    xep_0203_delay,
    xep_0280_carbons,
    xep_0308_correction,
    xep_0313_mam,
    xep_0333_markers,
    xep_0334_hints,
    xep_0352_client_state,
    xep_0353_calls,
    xep_0359_stanza_ids,
    xep_0377_reports,
    xep_0390_capabilities,
    xep_0424_retraction,
    xep_0431_full_text,
    xep_0441_preferences,
    xep_0444_reactions,
    xep_0461_replies,
    xep_0478_stream_limits,
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
        xep_0077_registration,
        xep_0085_chat_states,
        xep_0092_version,
        xep_0115_capabilities,
        xep_0160_offline,
        xep_0184_receipts,
        xep_0191_blocking,
        xep_0198_stream_management,
        xep_0199_ping,
        xep_0203_delay,
        xep_0280_carbons,
        xep_0308_correction,
        xep_0313_mam,
        xep_0333_markers,
        xep_0334_hints,
        xep_0352_client_state,
        xep_0353_calls,
        xep_0359_stanza_ids,
        xep_0377_reports,
        xep_0390_capabilities,
        xep_0424_retraction,
        xep_0431_full_text,
        xep_0441_preferences,
        xep_0444_reactions,
        xep_0461_replies,
        xep_0478_stream_limits,
    ):
        module.register(modules)
    if wall_clock_ms is not None:
        xep_0012_last_activity.register(modules, wall_clock_ms)
        xep_0202_time.register(modules, wall_clock_ms)
    return modules
