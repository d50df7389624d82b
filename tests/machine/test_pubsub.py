"""Personal eventing in the state machine: rows, determinism, limits, what a resumed session is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from machine.world import Client, World
from raftline.base.ids import NodeId
from raftline.base.limits import (
    CAPABILITY_COUNT_MAX,
    CAPABILITY_NODE_COUNT_MAX,
    CAPABILITY_NODES_SIZE_MAX,
    CAPABILITY_TEXT_SIZE_MAX,
    PUBSUB_CATCH_UP_COUNT_MAX,
    PUBSUB_REMOVAL_AGE_MAX_MS,
    RESUMPTION_TOKEN_SIZE,
)
from raftline.machine.commands import (
    BindSession,
    DeleteAccount,
    DetachSession,
    EnableManagement,
    ResumeSession,
    SetPresence,
    SetVcard,
    SubscriptionKind,
)
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import Done, Event, PresenceArrived, Rejected
from raftline.machine.pruning import ROWS_PER_ENTRY
from raftline.machine.pubsub import capabilities as machine_capabilities
from raftline.machine.pubsub import items as machine_items
from raftline.machine.pubsub.commands import (
    Affiliation,
    Bookmark,
    Capabilities,
    ChangeAffiliations,
    ChangeNodeSubscription,
    ConfigureNode,
    CreateNode,
    DeleteNode,
    LearnCapabilities,
    NodeOptions,
    Photo,
    Publish,
    PurgeNode,
    RetractItem,
    StoreBookmarks,
)
from raftline.machine.pubsub.queries import AvatarDigestOf, ItemsOf, NodeSubscriptionsOf
from raftline.machine.pubsub.values import CapabilitiesUnknown, NodeItems, NodeNotified
from raftline.machine.queries import Picture, PictureOf, PrivateOf

NODE = "urn:n"
ALICE = "alice@example.org"
MANY = NodeOptions(max_items=0)
TABLES = (
    "pubsub_node",
    "pubsub_item",
    "pubsub_affiliation",
    "pubsub_subscription",
    "pubsub_removal",
    "interest",
    "avatar",
)


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    """As that of this folder, at the version that knows nodes."""
    return latest(new_world())


def latest(world: World) -> World:
    world.do(RaiseVersion(3))
    for localpart in ("alice", "bob", "carol"):
        world.account(localpart)
    return world


def item(item_id: str = "i", text: str = "", *, node: str = NODE, options: NodeOptions | None = None) -> Publish:
    return Publish(node, item_id, f"<a xmlns='urn:n'>{text}</a>".encode(), options)


def shown(client: Client, version: str = "v", *, text: str = "") -> SetPresence:
    """Presence with capabilities."""
    stanza = f"<presence from='{client.full_jid}'>{text}</presence>".encode()
    return SetPresence(stanza, 0, Capabilities("sha-1", version, "urn:c"))


def wants(client: Client, *nodes: str, version: str = "v", verified: bool = True) -> None:
    """Become available, wanting to hear of nodes."""
    client.do(shown(client, version))
    client.do(LearnCapabilities(Capabilities("sha-1", version, "urn:c"), nodes, verified))


def notified(events: list[Event], client: Client) -> list[tuple[str, str, str]]:
    """What a session is told of nodes: node, what happened, id."""
    return [
        (event.notification.node, event.notification.kind, event.notification.item_id)
        for event in events
        if isinstance(event, NodeNotified) and event.session_id == client.session_id
    ]


def item_ids(world: World, node: str = NODE, owner: str = "alice") -> list[str]:
    answer = world.machine.answer(ItemsOf(owner, f"{owner}@example.org", node))
    assert isinstance(answer, NodeItems), answer
    assert answer.total == len(answer.items)
    return [found.item_id for found in answer.items]


def resumable(world: World, client: Client) -> bytes:
    token = bytes(RESUMPTION_TOKEN_SIZE)
    world.do(EnableManagement(client.session_id, client.epoch, 0, token, 300))
    return token


def picture(world: World, client: Client) -> list[Event]:
    """What a session is told that is resumed now."""
    found = world.machine.answer(PictureOf(client.session_id))
    assert isinstance(found, Picture)
    return found.events


@pytest.mark.parametrize("notify_config", [True, False])
def test_a_new_configuration_is_told_where_the_node_says_so(world: World, notify_config: bool):
    """XEP-0060 section 8.2: `notify_config` decides, as it is after the change."""
    alice, bob = world.online("alice"), world.online("bob")
    alice.do(CreateNode(NODE, NodeOptions(access_model="open", notify_config=not notify_config)))
    bob.do(ChangeNodeSubscription("alice", NODE, bob.full_jid, True))
    events = alice.do(ConfigureNode(NODE, NodeOptions(notify_config=notify_config))).events
    assert notified(events, bob) == [(NODE, "configuration", "")] * notify_config


class TestDeterminism:
    """Promise P5: replicas are equal, whatever is in memory and whenever they commit."""

    def test_replicas_agree(self, new_world: Callable[..., World], tmp_path: Path):
        """One log on a machine that never forgets, and on one that is opened anew after each command."""
        ours, theirs = latest(new_world()), latest(new_world(tmp_path / "other.db"))
        for world in (ours, theirs):
            alice, bob = world.online("alice"), world.online("bob")
            world.befriend(alice, bob)
            carol = world.online("carol")
            steps: list[tuple[Client, object]] = [
                (bob, shown(bob)),
                (bob, LearnCapabilities(Capabilities("sha-1", "v", "urn:c"), (NODE, "urn:o"), True)),
                (alice, CreateNode(NODE, NodeOptions(max_items=3, access_model="open"))),
                *((alice, item(name)) for name in "dcbae"),
                (carol, ChangeNodeSubscription("alice", NODE, carol.full_jid, True)),
                (alice, RetractItem(NODE, "b", notify=True)),
                (alice, ChangeAffiliations(NODE, (Affiliation(bob.jid, "member"), Affiliation(carol.jid, "outcast")))),
                (alice, item("o", node="urn:o", options=NodeOptions(persist_items=False))),
                (alice, ConfigureNode(NODE, NodeOptions(max_items=1, notify_config=True))),
                (alice, SetVcard(b"<v/>", Photo("a" * 40, b"<d/>", b"<m/>", b"<c/>"))),
                (alice, StoreBookmarks((Bookmark("r@x", b"<c/>"), Bookmark("q@x", b"<c/>")), b"<s/>")),
                (alice, StoreBookmarks((Bookmark("q@x", b"<d/>"),), b"<s/>")),
                (alice, PurgeNode(NODE)),
                (alice, DeleteNode("urn:o")),
                (alice, item("last")),
            ]
            told = []
            for client, action in steps:
                result = client.do(action)  # type: ignore[arg-type]
                assert result.outcome == Done(), action
                told.append(result.events)
                if world is theirs:
                    world.reopen(commit=True)
            if world is ours:
                expected = told
        assert told == expected
        assert ours.machine.state_hash == theirs.machine.state_hash
        assert ours.scrub() == theirs.scrub()

    def test_a_refusal_halfway_changes_nothing(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """A list of which one bookmark is too large leaves the others, and private storage, as they were."""
        monkeypatch.setattr(machine_items, "PUBSUB_ITEM_SIZE_MAX", 10)
        alice = world.online("alice")
        wants(alice, "urn:xmpp:bookmarks:1")
        alice.do(StoreBookmarks((Bookmark("a@x", b"<a/>"),), b"<s/>"))
        before = world.scrub()
        action = StoreBookmarks((Bookmark("b@x", b"<b/>"), Bookmark("c@x", b"x" * 11)), b"<t/>")
        result = alice.do(action)
        assert isinstance(result.outcome, Rejected)
        assert result.events == []
        after = world.scrub()
        assert {name for name in after if after[name] != before[name]} == {"progress"}
        assert item_ids(world, "urn:xmpp:bookmarks:1") == ["a@x"]
        assert alice.do(StoreBookmarks((), b"<t/>")).outcome == Done()
        assert world.machine.answer(PrivateOf("alice", "storage:bookmarks", "storage")) == b"<t/>"

    def test_two_devices_take_an_old_list_along_at_once(self, world: World):
        """The second finds it done, and publishes its own bookmark alone: the first one's is not lost."""
        phone, desk = world.online("alice"), world.online("alice", "desk")
        old = (Bookmark("old@x", b"<o/>"),)
        assert phone.do(StoreBookmarks((*old, Bookmark("p@x", b"<p/>")), b"<s/>", first="p@x")).outcome == Done()
        assert phone.do(RetractItem("urn:xmpp:bookmarks:1", "old@x", notify=True)).outcome == Done()
        assert desk.do(StoreBookmarks((*old, Bookmark("d@x", b"<d/>")), b"<s/>", first="d@x")).outcome == Done()
        assert item_ids(world, "urn:xmpp:bookmarks:1") == ["p@x", "d@x"]

    def test_a_card_that_cannot_be_is_not_kept(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """Neither its picture nor its text."""
        alice = world.online("alice")
        alice.do(SetVcard(b"<v/>"))
        monkeypatch.setattr(machine_items, "PUBSUB_ITEM_SIZE_MAX", 10)
        result = alice.do(SetVcard(b"<w/>", Photo("a" * 40, b"<d/>", b"x" * 11, b"<c/>")))
        assert isinstance(result.outcome, Rejected)
        assert world.count("pubsub_node") == 0
        assert world.machine.answer(AvatarDigestOf("alice")) == ""


class TestVersions:
    """Version 3 of the machine: what older releases would not do is not done before all understand it."""

    def test_before_it(self, new_world: Callable[..., World]):
        """Commands are unreadable; new fields of old ones change nothing."""
        world = new_world()
        for localpart in ("alice", "bob"):
            world.account(localpart)
        alice = world.online("alice")
        result = world.do(item(), alice.origin())
        assert isinstance(result.outcome, Rejected)
        alice.number -= 1
        assert alice.do(shown(alice)).events[1:] == []
        action = SetVcard(b"<v/>", Photo("a" * 40, b"<d/>", b"<m/>", b"<c/>"))
        assert alice.do(action).outcome == Done()
        message = alice.message("bob", displayed=b"<d/>")
        assert alice.do(message).outcome == Done()
        assert [world.count(table) for table in (*TABLES, "capability")] == [0] * 8


class TestCapabilities:
    """XEP-0115: what hashes stand for."""

    def test_memory_is_bounded(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """The one learned first goes; the sessions that showed it go on wanting what they want."""
        assert CAPABILITY_COUNT_MAX > 2
        monkeypatch.setattr(machine_capabilities, "CAPABILITY_COUNT_MAX", 2)
        alice = world.online("alice")
        for version in ("a", "b", "c"):
            wants(alice, NODE, version=version)
        assert world.count("capability") == 2
        assert notified(alice.do(item()).events, alice) == [(NODE, "item", "i")]
        asked = [alice.do(shown(alice, version)).events[1:] for version in ("b", "c", "a")]
        assert [[type(event) for event in events] for events in asked] == [[], [], [CapabilitiesUnknown]]

    def test_nobody_can_speak_for_others_without_proof(self, world: World):
        """What is not verified is kept for the session alone."""
        alice, bob = world.online("alice"), world.online("bob")
        wants(alice, NODE, verified=False)
        assert world.count("capability") == 0
        assert CapabilitiesUnknown in map(type, bob.do(shown(bob)).events)

    def test_an_answer_that_is_late(self, world: World):
        """It is for capabilities that presence does not show any more, or of a session that is away."""
        alice = world.online("alice")
        alice.do(shown(alice, "old"))
        alice.do(shown(alice, "new"))
        alice.do(LearnCapabilities(Capabilities("sha-1", "old", "urn:c"), (NODE,), True))
        assert notified(alice.do(item()).events, alice) == []
        alice.present(None)
        alice.do(LearnCapabilities(Capabilities("sha-1", "new", "urn:c"), (NODE,), True))
        assert world.count("interest") == 0

    @pytest.mark.parametrize("excess", [0, 1])
    def test_limits(self, world: World, excess: int):
        """Of texts, of the count of nodes, of their size: both sides."""
        alice = world.online("alice")
        text = "x" * (CAPABILITY_TEXT_SIZE_MAX + excess)
        alice.do(shown(alice, text))
        assert world.count("interest") == 1 - excess
        nodes = tuple(f"{number:05}" for number in range(CAPABILITY_NODE_COUNT_MAX + excess))
        long_name = ("x" * (CAPABILITY_NODES_SIZE_MAX - 4 + excess),)
        for wanted in (nodes, long_name):
            action = LearnCapabilities(Capabilities("sha-1", "v", ""), wanted, True)
            assert (alice.do(action).outcome == Done()) is not bool(excess)

    def test_a_session_that_ends(self, world: World):
        """Nothing is left of it."""
        alice = world.online("alice")
        wants(alice, NODE)
        alice.end()
        assert world.count("interest") == 0


class TestResumption:
    """Notifications that a resumed session may have missed."""

    @pytest.fixture
    def pair(self, world: World) -> tuple[Client, Client]:
        alice, bob = world.online("alice"), world.online("bob", managed=False)
        resumable(world, bob)
        world.befriend(alice, bob)
        wants(bob, NODE)
        return alice, bob

    def test_the_sum_of_what_changed(self, world: World, pair: tuple[Client, Client]):
        """After the last delivery that it acknowledged: items as they are now, and what went."""
        alice, bob = pair
        alice.do(item("old", options=MANY))
        bob.acknowledge(alice.send("bob").position)
        alice.do(item("a", "1"))
        alice.do(item("b"))
        alice.do(item("a", "2"))
        alice.do(RetractItem(NODE, "b", notify=False))
        events = picture(world, bob)
        assert notified(events, bob) == [(NODE, "item", "a"), (NODE, "retract", "b")]
        said = next(event.notification for event in events if isinstance(event, NodeNotified))
        assert said.payload == b"<a xmlns='urn:n'>2</a>"
        assert said.delayed_ms == world.time_ms

    def test_what_came_back(self, world: World, pair: tuple[Client, Client]):
        """An item that was retracted and published again is one that is there."""
        alice, bob = pair
        alice.do(item("a", options=MANY))
        alice.do(RetractItem(NODE, "a", notify=True))
        alice.do(item("a"))
        assert notified(picture(world, bob), bob) == [(NODE, "item", "a")]

    def test_own_nodes_that_went(self, world: World):
        """A purge, and the end of a node, of the own account."""
        alice = world.online("alice")
        wants(alice, NODE, "urn:o")
        alice.do(item())
        alice.do(item(node="urn:o"))
        alice.do(PurgeNode(NODE))
        alice.do(DeleteNode("urn:o"))
        assert notified(picture(world, alice), alice) == [(NODE, "purge", ""), ("urn:o", "delete", "")]

    def test_only_what_may_be_read_and_is_wanted(self, world: World, pair: tuple[Client, Client]):
        """As when it happened: access, interest and block lists count."""
        alice, bob = pair
        alice.do(item("i", node="urn:unwanted"))
        alice.do(item("i", options=NodeOptions(access_model="whitelist")))
        assert notified(picture(world, bob), bob) == []
        alice.do(ConfigureNode(NODE, NodeOptions(access_model="open")))
        assert notified(picture(world, bob), bob) == [(NODE, "item", "i")]
        alice.subscription(SubscriptionKind.UNSUBSCRIBED, bob.jid)
        assert notified(picture(world, bob), bob) == []

    def test_the_latest_of_many(self, world: World, pair: tuple[Client, Client]):
        """At most so many of an account."""
        alice, bob = pair
        for number in range(PUBSUB_CATCH_UP_COUNT_MAX + 1):
            alice.do(item(f"{number}", options=MANY))
        said = notified(picture(world, bob), bob)
        assert (len(said), said[0], said[-1]) == (
            PUBSUB_CATCH_UP_COUNT_MAX,
            (NODE, "item", "1"),
            (NODE, "item", str(PUBSUB_CATCH_UP_COUNT_MAX)),
        )

    def test_capabilities_that_were_asked_for(self, world: World):
        """The question was lost with the former stream: it is asked again, on the node that has the session now."""
        alice = world.online("alice", node_id=1)
        token = resumable(world, alice)
        alice.do(shown(alice))
        world.do(DetachSession(alice.session_id, alice.epoch))
        world.do(ResumeSession("alice", alice.session_id, token, NodeId(2), 1), node_id=2)
        asked = [event for event in picture(world, alice) if isinstance(event, CapabilitiesUnknown)]
        assert asked == [CapabilitiesUnknown(NodeId(2), alice.session_id, Capabilities("sha-1", "v", "urn:c"))]

    def test_memory_of_removals_is_bounded(self, world: World):
        """By time, as that of resources that left."""
        alice = world.online("alice")
        alice.do(item(options=MANY))
        alice.do(RetractItem(NODE, "i", notify=True))
        world.time_ms += PUBSUB_REMOVAL_AGE_MAX_MS
        alice.present()
        assert world.count("pubsub_removal") == 1
        world.time_ms += 1
        alice.present()
        assert world.count("pubsub_removal") == 0


class TestAvatars:
    """XEP-0398 section 4: the hash in presence."""

    def added(self, digest: str) -> bytes:
        return f"<x xmlns='vcard-temp:x:update'><photo>{digest}</photo></x>".encode()

    def test_a_change_is_shown(self, world: World):
        """To contacts and own sessions, with the presence as it was otherwise; a second picture replaces the first."""
        alice, bob = world.online("alice"), world.online("bob")
        world.befriend(alice, bob)
        alice.present(5, "<show>away</show>")
        for digest in ("a" * 40, "b" * 40):
            result = alice.do(Publish("urn:xmpp:avatar:metadata", digest, b"<m/>", None, digest))
            stanzas = {event.stanza for event in result.events if isinstance(event, PresenceArrived)}
            head = f"<presence from='{alice.full_jid}'><show>away</show>".encode()
            assert stanzas == {head + self.added(digest) + b"</presence>"}
        assert {event.session_id for event in result.events} == {alice.session_id, bob.session_id}
        result = alice.do(Publish("urn:xmpp:avatar:metadata", "current", b"<m/>", None, ""))
        assert {event.stanza for event in result.events if isinstance(event, PresenceArrived)} == {
            head + b"</presence>"
        }

    @pytest.mark.parametrize(
        ("said", "added"),
        [
            ("", True),
            ("<show>away</show>", True),
            ("<x xmlns='vcard-temp:x:update'><photo/></x>", False),
            (f"<x xmlns='vcard-temp:x:update'><photo>{'c' * 40}</photo></x>", False),
        ],
    )
    def test_presence_that_comes_later(self, world: World, said: str, *, added: bool):
        """The hash is added where nothing is said of a picture; to a start tag that is closed in itself too."""
        alice = world.online("alice")
        alice.do(Publish("urn:xmpp:avatar:metadata", "x", b"<m/>", None, "a" * 40))
        result = alice.present(0, said)
        [stanza] = [event.stanza for event in result.events if isinstance(event, PresenceArrived)]
        assert (self.added("a" * 40) in stanza) is added
        assert said.encode() in stanza
        result = alice.do(SetPresence(f"<presence from='{alice.full_jid}'/>".encode(), 0))
        [stanza] = [event.stanza for event in result.events if isinstance(event, PresenceArrived)]
        assert stanza == f"<presence from='{alice.full_jid}'>".encode() + self.added("a" * 40) + b"</presence>"

    def test_what_is_no_hash(self, world: World):
        """An id that presence could not carry announces nothing."""
        alice = world.online("alice")
        alice.do(Publish("urn:xmpp:avatar:metadata", "x", b"<m/>", None, "</photo>"))
        assert world.machine.answer(AvatarDigestOf("alice")) == ""


class TestDeletion:
    """An account that is deleted."""

    def test_everything_goes_in_steps(self, world: World):
        """A later account of the name finds nothing at once, and in the end no row is left."""
        alice, bob = world.online("alice"), world.online("bob")
        wants(alice, NODE)
        for number in range(4 * ROWS_PER_ENTRY):
            alice.do(item(f"{number}", options=NodeOptions(max_items=0, access_model="open")))
        bob.do(ChangeNodeSubscription("alice", NODE, bob.jid, True))
        alice.do(RetractItem(NODE, "0", notify=True))
        alice.do(ChangeAffiliations(NODE, (Affiliation(bob.jid, "member"),)))
        alice.do(Publish("urn:xmpp:avatar:metadata", "x", b"<m/>", None, "a" * 40))
        world.do(DeleteAccount("alice"))
        world.account("alice")
        assert isinstance(world.machine.answer(ItemsOf("alice", ALICE, NODE)), Rejected)
        assert world.machine.answer(AvatarDigestOf("alice")) == ""
        assert world.count("pubsub_item") > 0
        for _ in range(8):
            bob.present()
        assert [world.count(table) for table in (*TABLES, "doomed")] == [0] * 8

    def test_a_subscriber_that_is_no_more(self, world: World):
        """Its subscription ends with the next notification; a later account of the name has none."""
        alice, carol = world.online("alice"), world.online("carol")
        alice.do(item(options=NodeOptions(access_model="open")))
        carol.do(ChangeNodeSubscription("alice", NODE, carol.jid, True))
        world.do(DeleteAccount("carol"))
        alice.do(item())
        world.account("carol")
        again = world.online("carol")
        assert notified(alice.do(item()).events, again) == []
        assert world.machine.answer(NodeSubscriptionsOf("alice", "carol@example.org")) == []

    def test_bound_again_after_an_end(self, world: World):
        """A session of the same resource begins without the interest of the one before."""
        alice = world.online("alice")
        wants(alice, NODE)
        world.do(BindSession("alice", alice.resource, NodeId(1), 1))
        assert world.count("interest") == 0
