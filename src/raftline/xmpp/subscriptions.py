"""
Presence stanzas that manage subscriptions (RFC 6121 section 3).

The states and their transitions are replicated (machine/subscriptions.py); this side only checks the addresses and
prepares the stanza as section 3.1.2 asks: from the user's bare JID to the contact's bare JID, whatever resources the
client named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import Refused
from raftline.machine.commands import ChangeSubscription, SubscriptionKind
from raftline.xmpp.effects import Submit
from raftline.xmpp.invites import PREAUTH_NAMESPACE, digest_of

if TYPE_CHECKING:
    from raftline.xmpp.effects import Steps
    from raftline.xmpp.module import StreamContext
    from raftline.xmpp.stanza import Stanza

SUBSCRIPTION_KINDS: Final = {
    "subscribe": SubscriptionKind.SUBSCRIBE,
    "subscribed": SubscriptionKind.SUBSCRIBED,
    "unsubscribe": SubscriptionKind.UNSUBSCRIBE,
    "unsubscribed": SubscriptionKind.UNSUBSCRIBED,
}
"""By the type attribute of the presence stanza."""


def handle_subscription(context: StreamContext, stanza: Stanza, kind: SubscriptionKind) -> Steps:
    """
    Change a subscription with the account that the stanza is addressed to.

    Raises:
        Refused: `bad-request` without an address, `not-allowed` for the user's own account, whose resources see each
            other anyway (section 4.2.2), `service-unavailable` for this server itself, `remote-server-not-found` for
            another one.
    """
    if stanza.to is None:
        raise Refused("bad-request", "modify", "Whose presence? The stanza names no contact.")
    contact, user = stanza.to.bare, context.jid.bare
    if contact.domain != context.domain:
        raise Refused("remote-server-not-found", "cancel")
    if not contact.local:
        raise Refused("service-unavailable", "cancel", "The server has no presence.")
    if contact == user:
        raise Refused("not-allowed", "cancel", "The presence of your own devices needs no subscription.")
    yield Submit(ChangeSubscription(kind, str(contact), stanza.stamped(user, contact), _invite(stanza, kind)))


def _invite(stanza: Stanza, kind: SubscriptionKind) -> bytes:
    """
    Return the digest of the token that a request shows; empty for none (XEP-0379 section 3.4).

    The element stays in the stanza: a token may be one that the contact's client has drawn.
    """
    preauth = stanza.element.child("preauth", PREAUTH_NAMESPACE) if kind is SubscriptionKind.SUBSCRIBE else None
    return b"" if preauth is None else digest_of(preauth.get("token") or "")
