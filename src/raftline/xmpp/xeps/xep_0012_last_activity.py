"""
XEP-0012 Last Activity: since when the server is up, and since when an account is away.

A request to a full JID is the client's own to answer. Both are for those who see the account's presence, and for
nobody else (sections 3, 4 and 8).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.machine.queries import LastActivity, LastActivityOf, SubscriptionOf
from raftline.xmpp.effects import Ask, ask
from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration
from raftline.xmpp.stanza import CLIENT_NAMESPACE, parse_stanza

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import Modules, StreamContext
    from raftline.xmpp.stanza import Stanza

LAST_NAMESPACE: Final = "jabber:iq:last"


def register(modules: Modules, wall_clock_ms: Callable[[], int]) -> None:
    """
    Answer for the server and for accounts.

    Args:
        wall_clock_ms: Tells milliseconds since 1970; handed in, as nothing here reads a clock. The server counts as
            started now.
    """
    started_ms = wall_clock_ms()

    def handle_server(_context: StreamContext, _stanza: Stanza) -> Steps:
        """Return how long this node has been up (section 5)."""
        yield from ()  # a handler that asks for nothing
        return _last(wall_clock_ms() - started_ms)

    def handle_account(context: StreamContext, stanza: Stanza) -> Steps:
        """
        Return since when an account has no session that is available, and what it said as it left (section 4).

        Raises:
            Refused: `forbidden` for one that does not share its presence with the user, or does not exist.
        """
        yield from require_seen(context, stanza)
        owner = context.jid.local if stanza.to is None else stanza.to.local
        last: LastActivity | None = yield Ask(LastActivityOf(owner))
        if last is None:
            raise Refused("forbidden", "auth", "This account does not share its presence with you.")
        if last.is_available:
            return _last(0)
        return _last(wall_clock_ms() - last.time_ms, status_of(last.stanza))

    modules.declare(
        Declaration(
            number=12,
            title="Last Activity",
            version="2.0",
            features=(LAST_NAMESPACE,),
            account_features=(LAST_NAMESPACE,),
        )
    )
    modules.on_iq("server", "get", LAST_NAMESPACE, "query", handle_server)
    modules.on_iq("account", "get", LAST_NAMESPACE, "query", handle_account)
    modules.before_relay(LAST_NAMESPACE, "query", require_seen)


def require_seen(context: StreamContext, stanza: Stanza) -> Steps:
    """
    Return when a stanza is to the user's own account, or to one that shares its presence with the user.

    Raises:
        Refused: `forbidden` otherwise.
    """
    owner = context.jid.bare if stanza.to is None else stanza.to.bare
    if owner == context.jid.bare or (yield from ask(SubscriptionOf(owner.local, str(context.jid.bare)), bool)):
        return
    raise Refused("forbidden", "auth", "This account does not share its presence with you.")


def status_of(presence: bytes) -> str:
    """Return the status that presence speaks of, empty for none; the first, where it comes in several languages."""
    if not presence:
        return ""
    status = parse_stanza(presence).element.child("status", CLIENT_NAMESPACE)
    return "" if status is None else status.text


def _last(age_ms: int, status: str = "") -> Element:
    """Make the answer; the clocks of two nodes may differ, so an age may come out below nothing."""
    seconds = str(max(age_ms, 0) // 1000)
    return Element("query", LAST_NAMESPACE, {"seconds": seconds}, [status] if status else [])
