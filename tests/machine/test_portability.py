"""What an import writes into an account, and what an export asks (XEP-0227)."""

from __future__ import annotations

import pytest

from machine.world import DOMAIN, World, arrivals, outcomes
from raftline.base import limits
from raftline.base.ids import Position
from raftline.machine.commands import (
    ActForAccount,
    ChangeBlocklist,
    DeleteAccount,
    KeyOrigin,
    PrivateElement,
    SetVcard,
    StorePrivate,
)
from raftline.machine.message_commands import Storage
from raftline.machine.node_commands import RaiseVersion
from raftline.machine.outcomes import Done, Outcome, Rejected
from raftline.machine.portability import answers, importing
from raftline.machine.portability.commands import ImportedContact, ImportedMessage
from raftline.machine.portability.queries import OfflinePage, OfflineRow, PrivateElementsOf, RequestsOf
from raftline.machine.pubsub.commands import CreateNode, NodeOptions, Publish
from raftline.machine.pubsub.queries import ItemsOf
from raftline.machine.pubsub.values import NodeItems
from raftline.machine.queries import ArchivePage, ArchiveRow, BlocklistOf, Page, RosterOf, VcardOf

BOB = f"bob@{DOMAIN}"
REQUEST = f"<presence from='{BOB}' to='alice@{DOMAIN}' type='subscribe'/>".encode()


@pytest.fixture
def world() -> World:
    """Alice has an account, and nothing else."""
    world = World()
    world.do(RaiseVersion(3))
    world.account("alice")
    return world


def put(world: World, action: object) -> Outcome:
    return world.do(ActForAccount("alice", action)).outcome  # type: ignore[arg-type]


def message(storage: Storage, body: str = "old", **changes: object) -> ImportedMessage:
    stanza = (
        f"<message from='{BOB}/pc' to='alice@{DOMAIN}'><delay xmlns='urn:xmpp:delay' from='{DOMAIN}'"
        f" stamp='2020-01-01T00:00:00Z'/><body>{body}</body></message>"
    ).encode()
    fields = {
        "contact": BOB,
        "sender": BOB,
        "from_resource": "pc",
        "to_resource": "",
        "storage": int(storage),
        "stanza": stanza,
    }
    return ImportedMessage(**{**fields, **changes})  # type: ignore[arg-type]


def archive(world: World, contact: str | None = None) -> list[ArchiveRow]:
    page = world.machine.answer(ArchivePage("alice", contact=contact))
    assert isinstance(page, Page)
    return page.rows


class TestActing:
    """What clients can do as well is done as if one had."""

    def test_it_is_all_there(self, world: World) -> None:
        """Private data, a card, a block, a node and an item; a second time nothing changes but what is counted."""
        options = NodeOptions(access_model="whitelist", max_items=0)
        actions = (
            StorePrivate((PrivateElement("x", "e", b"<e xmlns='x'/>"),)),
            SetVcard(b"<vCard xmlns='vcard-temp'/>"),
            ChangeBlocklist(blocked=True, addresses=("evil.example",)),
            CreateNode("n", options),
            Publish("n", "1", b"<p xmlns='x'/>"),
        )
        assert [put(world, action) for action in actions] == [Done()] * 5
        ask = world.machine.answer
        assert ask(PrivateElementsOf("alice")) == (PrivateElement("x", "e", b"<e xmlns='x'/>"),)
        assert ask(VcardOf("alice")) == b"<vCard xmlns='vcard-temp'/>"
        assert ask(BlocklistOf("alice")) == ("evil.example",)
        found = ask(ItemsOf("alice", f"alice@{DOMAIN}", "n"))
        assert isinstance(found, NodeItems)
        assert [item.item_id for item in found.items] == ["1"]
        refused = put(world, CreateNode("n", options))
        assert isinstance(refused, Rejected)
        assert refused.condition == "conflict"

    def test_limits_are_those_of_clients(self, world: World) -> None:
        """A card that is too large is refused to an administrator too."""
        assert put(world, SetVcard(bytes(limits.VCARD_SIZE_MAX))) == Done()
        assert outcomes(world.do(ActForAccount("alice", SetVcard(bytes(limits.VCARD_SIZE_MAX + 1))))) == ["Rejected"]

    def test_nobody_is_not_found(self, world: World) -> None:
        """An account that was deleted gets nothing any more."""
        world.do(DeleteAccount("alice"))
        refused = put(world, message(Storage.ARCHIVE))
        assert isinstance(refused, Rejected)
        assert refused.condition == "item-not-found"

    def test_older_members_do_not_understand_it(self) -> None:
        """Below version 3 it has no effect."""
        world = World()
        world.account("alice")
        before = world.scrub()
        assert outcomes(world.do(ActForAccount("alice", message(Storage.ARCHIVE)))) == ["Rejected"]
        assert world.scrub() == before


class TestContacts:
    """How contacts stand to the account."""

    def test_an_item_is_taken_over_with_its_subscription(self, world: World) -> None:
        """Name, groups, both directions, what is asked and granted; again is the same."""
        contact = ImportedContact(BOB, True, "Bob", ("a", "b"), 3, ask=False, approved=True)
        for _ in range(2):
            assert put(world, contact) == Done()
            (item,) = world.machine.answer(RosterOf("alice")).items  # type: ignore[union-attr]
            assert (item.contact, item.name, item.subscription, item.groups) == (BOB, "Bob", "both", ("a", "b"))
            assert (item.ask, item.approved) == (False, True)

    def test_who_sees_whom_is_each_sides_own(self, world: World) -> None:
        """Bob sees alice as her roster says; she does not see him, whose roster does not know her."""
        world.account("bob")
        put(world, ImportedContact(BOB, True, subscription=3))
        bob = world.online("bob")
        seen = world.online("alice")
        names = [type(event).__name__ for event in bob.present(1).events if event.session_id == seen.session_id]
        assert "PresenceArrived" not in names

    def test_a_request_waits(self, world: World) -> None:
        """It is no item of the roster; answered, it is one."""
        assert put(world, ImportedContact(BOB, False, request=REQUEST)) == Done()
        assert world.machine.answer(RequestsOf("alice")) == (REQUEST,)
        assert world.machine.answer(RosterOf("alice")).items == []  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        "contact",
        [
            ImportedContact(f"alice@{DOMAIN}", True),
            ImportedContact("", True),
            ImportedContact("b@" + "x" * limits.JID_SIZE_MAX, False, request=REQUEST),
            ImportedContact(BOB, True, groups=("a", "a")),
            ImportedContact(BOB, False, request=bytes(limits.IMPORT_STANZA_SIZE_MAX + 1)),
        ],
    )
    def test_what_cannot_be_is_refused(self, world: World, contact: ImportedContact) -> None:
        """Nothing of it stays."""
        before = world.scrub()
        assert outcomes(world.do(ActForAccount("alice", contact))) == ["Rejected"]
        assert world.scrub() == before


class TestMessages:
    """Messages of the past."""

    def test_it_is_in_the_archive_and_nobody_hears(self, world: World) -> None:
        """By its contact as well; devices that are online are told nothing."""
        world.online("alice")
        result = world.do(ActForAccount("alice", message(Storage.ARCHIVE)))
        assert (result.outcome, result.events) == (Done(), [])
        assert [row.stanza for row in archive(world, BOB)] == [message(Storage.ARCHIVE).stanza]
        assert archive(world, f"carol@{DOMAIN}") == []

    def test_time_never_falls(self, world: World) -> None:
        """Searches by time rely on it: the row has the time of the import, whatever the stanza says."""
        world.time_ms += 5_000
        put(world, message(Storage.ARCHIVE))
        (row,) = archive(world)
        assert row.time_ms == world.time_ms

    def test_one_that_waits_is_delivered(self, world: World) -> None:
        """With the archive or without it, once, with its id there or none; nothing is left then."""
        put(world, message(Storage.OFFLINE, "a"))
        put(world, message(Storage.ARCHIVE | Storage.OFFLINE, "b"))
        alice = world.bind("alice")
        result = alice.present()
        assert [event.owner for event in arrivals(result)] == ["", f"alice@{DOMAIN}"]
        assert world.machine.answer(OfflinePage("alice")) == ()
        assert len(archive(world)) == world.count("message") == 1

    def test_a_key_lets_it_happen_once(self, world: World) -> None:
        """As an import that goes on does."""
        action = ActForAccount("alice", message(Storage.ARCHIVE))
        for _ in range(2):
            assert world.do(action, KeyOrigin(b"k" * 16)).outcome == Done()
        assert len(archive(world)) == 1

    def test_it_goes_with_the_account(self, world: World) -> None:
        """Like any other, some with each entry."""
        put(world, message(Storage.ARCHIVE | Storage.OFFLINE))
        world.do(DeleteAccount("alice"))
        for _ in range(10):
            world.do(RaiseVersion(3))
        assert (world.count("message"), world.count("archive"), world.count("offline")) == (0, 0, 0)

    def test_limits(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of size, of addresses, of what may wait; both sides."""
        fits = bytes(limits.IMPORT_STANZA_SIZE_MAX)
        assert put(world, message(Storage.ARCHIVE, stanza=fits)) == Done()
        long_jid = "x" * (limits.JID_SIZE_MAX + 1)
        for changes in (
            {"stanza": fits + b"x"},
            {"contact": long_jid},
            {"sender": ""},
            {"from_resource": "r" * (limits.RESOURCE_SIZE_MAX + 1)},
        ):
            assert isinstance(put(world, message(Storage.ARCHIVE, **changes)), Rejected), changes
        monkeypatch.setattr(importing, "OFFLINE_MESSAGE_COUNT_MAX", 1)
        assert put(world, message(Storage.OFFLINE)) == Done()
        refused = put(world, message(Storage.OFFLINE))
        assert isinstance(refused, Rejected)
        assert refused.condition == "resource-constraint"


class TestQuestions:
    """What an export asks beside clients' questions."""

    def test_pages_of_what_waits(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """In order, behind a position, at most so many and so many bytes, but one at least."""
        for number in range(4):
            put(world, message(Storage.OFFLINE if number % 2 else Storage.ARCHIVE | Storage.OFFLINE, str(number)))

        def page(after: int = 0, limit: int = 10) -> tuple[OfflineRow, ...]:
            found = world.machine.answer(OfflinePage("alice", Position(after), limit))
            assert isinstance(found, tuple)
            return found  # type: ignore[return-value]

        assert [row.is_archived for row in page()] == [True, False, True, False]
        first, second, *_ = page()
        assert page(limit=1) == (first,)
        assert page(after=first.row.position, limit=1) == (second,)
        monkeypatch.setattr(answers, "EXPORT_PAGE_BYTES_MAX", 1)
        assert page() == (first,)

    def test_nobody_has_nothing(self, world: World) -> None:
        """A name that is free."""
        for query in (PrivateElementsOf("nobody"), RequestsOf("nobody"), OfflinePage("nobody")):
            assert world.machine.answer(query) == ()
