"""
XEP-0441 Message Archive Management Preferences: with whom the user's messages are archived.

The preferences are replicated and count from the place in the log where they were set (machine/history/preferences.py).
They say nothing of the other side's archive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.machine.history.answers import ArchivePreferences
from raftline.machine.history.commands import ArchivePolicy, SetArchivePreferences
from raftline.machine.history.queries import ArchivePreferencesOf
from raftline.xmpp.effects import ask
from raftline.xmpp.element import Element
from raftline.xmpp.jid import parse_jid
from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import propose_or_refuse, require_own

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from raftline.xmpp.effects import Effect, Steps
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza

MAM_NAMESPACE: Final = "urn:xmpp:mam:2"

_POLICIES: Final = {policy.name.lower(): policy for policy in ArchivePolicy}


def register(modules: Modules) -> None:
    """Handle preferences; they have no feature of their own."""
    modules.declare(Declaration(number=441, title="Message Archive Management Preferences", version="0.2.0"))
    modules.on_iq("account", "get", MAM_NAMESPACE, "prefs", handle_get)
    modules.on_iq("account", "set", MAM_NAMESPACE, "prefs", handle_set)


def handle_get(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return the preferences (section 2.1); whoever never set any archives everything.

    Raises:
        Refused: `forbidden` for another account's.
    """
    require_own(context, stanza)
    return (yield from _current(context))


def handle_set(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Replace the preferences, and return what holds now (section 2.1). An address in both lists is never archived.

    Raises:
        Refused: `forbidden` for another account's, `bad-request` for a default that is none (section 2.1.1),
            `jid-malformed` for what is no address; from apply: `resource-constraint` for too many.
    """
    require_own(context, stanza)
    wanted = stanza.element.child("prefs", MAM_NAMESPACE)
    assert wanted is not None, "dispatch found the payload by this name"
    policy = _POLICIES.get(wanted.get("default") or "")
    if policy is None:
        raise Refused("bad-request", "modify", f"The default is one of {', '.join(sorted(_POLICIES))}.")
    yield from propose_or_refuse(
        SetArchivePreferences(policy, _addresses(wanted, "always"), _addresses(wanted, "never"))
    )
    return (yield from _current(context))


def _current(context: StreamContext) -> Generator[Effect, Any, Element]:
    found = yield from ask(ArchivePreferencesOf(context.jid.local), ArchivePreferences)
    children: list[Element | str] = [_list("always", found.always), _list("never", found.never)]
    return Element("prefs", MAM_NAMESPACE, {"default": found.policy.name.lower()}, children)


def _list(name: str, addresses: tuple[str, ...]) -> Element:
    return Element(name, MAM_NAMESPACE, None, [Element("jid", MAM_NAMESPACE, None, [jid]) for jid in addresses])


def _addresses(wanted: Element, name: str) -> tuple[str, ...]:
    """Read one of the lists; one that is missing is empty (sections 2.1.2, 2.1.3)."""
    listed = wanted.child(name, MAM_NAMESPACE)
    entries = [] if listed is None else [entry for entry in listed.elements() if entry.name == "jid"]
    try:
        return tuple(dict.fromkeys(str(parse_jid(entry.text.strip())) for entry in entries))
    except ValueError as error:
        raise Refused("jid-malformed", "modify", f"An address is none: {error}.") from error
