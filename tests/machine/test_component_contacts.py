"""Components (XEP-0114) as contacts: presence and subscriptions between accounts and addresses at a component."""

from __future__ import annotations

import pytest

from machine.components import HOST, PUPPET, Connection
from machine.world import DOMAIN, Client, World
from raftline.base.ids import NodeId
from raftline.machine.commands import ChangeBlocklist, DeleteAccount, RemoveRosterItem, SubscriptionKind
from raftline.machine.components.events import PresenceForComponent
from raftline.machine.node_commands import BuryNode
from raftline.machine.outcomes import CommandResult, Done, PresenceArrived, Rejected
from raftline.machine.queries import Roster, RosterOf

SUBSCRIBE, SUBSCRIBED = SubscriptionKind.SUBSCRIBE, SubscriptionKind.SUBSCRIBED
UNSUBSCRIBE, UNSUBSCRIBED = SubscriptionKind.UNSUBSCRIBE, SubscriptionKind.UNSUBSCRIBED
ALICE = f"alice@{DOMAIN}"


def told(result: CommandResult) -> list[tuple[str, str, str]]:
    """Kind, sender and recipient of what components were told."""
    return [
        ("sent" if e.stanza else e.kind, e.from_jid, e.to_jid)
        for e in result.events
        if isinstance(e, PresenceForComponent)
    ]


def subscription(world: World, contact: str = PUPPET) -> str:
    """How alice's roster has a contact."""
    roster = world.machine.answer(RosterOf("alice"))
    assert isinstance(roster, Roster)
    return next((item.subscription for item in roster.items if item.contact == contact), "absent")


def befriend(component: Connection, alice: Client) -> None:
    """Subscribe alice and somebody at the component to each other."""
    alice.subscription(SUBSCRIBE, PUPPET)
    component.manage(SUBSCRIBED, "alice")
    component.manage(SUBSCRIBE, "alice")
    alice.subscription(SUBSCRIBED, PUPPET)


class TestSubscriptions:
    """RFC 6121 section 3, with a component for the other server."""

    def test_a_user_subscribes(self, world: World):
        """The request goes to the component, its answer into the roster."""
        component, alice = Connection(world), world.online("alice")
        assert told(alice.subscription(SUBSCRIBE, PUPPET)) == [("sent", ALICE, PUPPET)]
        assert subscription(world) == "none"
        component.manage(SUBSCRIBED, "alice")
        assert subscription(world) == "to"
        assert told(alice.subscription(UNSUBSCRIBE, PUPPET)) == [("sent", ALICE, PUPPET)]
        assert subscription(world) == "none"

    def test_a_component_subscribes(self, world: World):
        """The user is asked, and the presence of its sessions follows the consent."""
        component, alice = Connection(world), world.online("alice")
        asked = component.manage(SUBSCRIBE, "alice")
        assert [e.session_id for e in asked.events if isinstance(e, PresenceArrived)] == [alice.session_id]
        assert told(alice.subscription(SUBSCRIBED, PUPPET)) == [
            ("sent", ALICE, PUPPET),
            ("sent", alice.full_jid, PUPPET),
        ]
        assert subscription(world) == "from"
        component.manage(UNSUBSCRIBE, "alice")
        assert subscription(world) == "none"

    def test_the_component_itself_may_be_a_contact(self, world: World):
        """Gateways are contacts under their bare domain."""
        component, alice = Connection(world), world.online("alice")
        assert told(alice.subscription(SUBSCRIBE, HOST)) == [("sent", ALICE, HOST)]
        component.manage(SUBSCRIBED, "alice", sender=HOST)
        assert subscription(world, HOST) == "to"

    def test_pre_approval_answers_at_once(self, world: World):
        """A request that the user has granted before is answered by the server (section 3.4)."""
        component, alice = Connection(world), world.online("alice")
        alice.subscription(SUBSCRIBED, PUPPET)
        assert told(component.manage(SUBSCRIBE, "alice")) == [
            ("subscribed", ALICE, PUPPET),
            ("sent", alice.full_jid, PUPPET),
        ]

    def test_nobody_is_denied_by_the_server(self, world: World):
        """A request to an account that does not exist is answered with `unsubscribed` (section 3.1.3)."""
        result = Connection(world).manage(SUBSCRIBE, "nobody")
        assert told(result) == [("unsubscribed", f"nobody@{DOMAIN}", PUPPET)]

    def test_blocked_requests_are_dropped(self, world: World):
        """In silence (XEP-0191 section 3.3)."""
        component, alice = Connection(world), world.online("alice")
        alice.do(ChangeBlocklist(blocked=True, addresses=(HOST,)))
        result = component.manage(SUBSCRIBE, "alice")
        assert result.outcome == Done()
        assert result.events == []

    @pytest.mark.parametrize("kind", [SUBSCRIBE, SUBSCRIBED])
    def test_consent_needs_a_connection(self, world: World, kind: SubscriptionKind):
        """What begins something is refused while the component is away, so that both sides stay of one mind."""
        Connection(world).end()
        outcome = world.online("alice").subscription(kind, PUPPET).outcome
        assert isinstance(outcome, Rejected)
        assert outcome.condition == "service-unavailable"
        assert subscription(world) == "absent"

    def test_an_end_needs_none(self, world: World):
        """What ends something takes effect in the roster all the same."""
        component, alice = Connection(world), world.online("alice")
        befriend(component, alice)
        component.end()
        assert alice.subscription(UNSUBSCRIBE, PUPPET).outcome == Done()
        assert subscription(world) == "from"
        assert alice.do(RemoveRosterItem(PUPPET)).outcome == Done()
        assert subscription(world) == "absent"

    def test_other_domains_stay_unknown(self, world: World):
        """Neither another domain, nor a component that was never connected."""
        Connection(world)
        alice = world.online("alice")
        for contact in ("x@elsewhere.example", f"x@other.{DOMAIN}", f"x@a.{HOST}"):
            outcome = alice.subscription(SUBSCRIBE, contact).outcome
            assert isinstance(outcome, Rejected)
            assert outcome.condition == "remote-server-not-found"

    def test_a_roster_item_goes(self, world: World):
        """Both subscriptions end, and the component hears of it (section 2.5)."""
        component, alice = Connection(world), world.online("alice")
        befriend(component, alice)
        assert told(alice.do(RemoveRosterItem(PUPPET))) == [
            ("unsubscribe", ALICE, PUPPET),
            ("unavailable", alice.full_jid, PUPPET),
            ("unsubscribed", ALICE, PUPPET),
        ]

    def test_an_account_goes(self, world: World):
        """Its contacts at components hear like all others that it is gone."""
        component, alice = Connection(world), world.online("alice")
        befriend(component, alice)
        assert ("unsubscribed", ALICE, PUPPET) in told(world.do(DeleteAccount("alice")))


class TestPresence:
    """RFC 6121 section 4."""

    def test_contacts_see_users_come_and_go(self, world: World):
        """Broadcast presence, its end, and the loss of a session without a farewell."""
        component, alice = Connection(world), world.online("alice")
        befriend(component, alice)
        assert told(alice.present(5)) == [("sent", alice.full_jid, PUPPET)]
        assert told(alice.present(None)) == [("sent", alice.full_jid, PUPPET)]
        other = world.bind("alice", "two", node_id=2)
        assert told(other.present()) == [("sent", other.full_jid, PUPPET), ("probe", ALICE, PUPPET)]
        assert told(world.do(BuryNode(NodeId(2), 1))) == [("unavailable", other.full_jid, PUPPET)]

    def test_strangers_see_nothing(self, world: World):
        """No subscription, no presence; and nothing to a component that is away."""
        component, alice = Connection(world), world.online("alice")
        assert told(alice.present(5)) == []
        befriend(component, alice)
        component.end()
        assert told(alice.present(1)) == []

    @pytest.mark.parametrize("address", [PUPPET, HOST])
    def test_blocking_shows_the_user_away(self, world: World, address: str):
        """By address or by domain, before the door is closed; and there again when it opens (XEP-0191 section 3)."""
        component, alice = Connection(world), world.online("alice")
        befriend(component, alice)
        blocked = alice.do(ChangeBlocklist(blocked=True, addresses=(address,)))
        assert told(blocked) == [("unavailable", alice.full_jid, PUPPET)]
        assert told(alice.present(3)) == []
        opened = alice.do(ChangeBlocklist(blocked=False, addresses=()))
        assert told(opened) == [("sent", alice.full_jid, PUPPET), ("probe", ALICE, PUPPET)]
