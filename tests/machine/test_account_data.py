"""Private storage (XEP-0049), vCards (XEP-0054), and when an account was last there (XEP-0012)."""

from __future__ import annotations

import pytest

from machine.world import START_MS, World
from raftline.base.limits import PRIVATE_ELEMENT_SIZE_MAX, VCARD_SIZE_MAX
from raftline.machine import private_storage
from raftline.machine.commands import DeleteAccount, PrivateElement, SetVcard, StorePrivate
from raftline.machine.node_commands import BuryNode
from raftline.machine.outcomes import Done, Rejected
from raftline.machine.queries import LastActivity, LastActivityOf, PrivateOf, VcardOf


def element(name: str = "a", data: bytes = b"<a/>", namespace: str = "urn:x") -> PrivateElement:
    return PrivateElement(namespace, name, data)


class TestPrivateStorage:
    """XEP-0049 section 3."""

    def test_elements_are_kept_by_name_and_replaced(self, world: World):
        """Namespace and name together are the key; other accounts see nothing."""
        alice = world.online("alice")
        assert (
            alice.do(StorePrivate((element(), element("b", b"<b/>"), element("a", b"<y/>", "urn:y")))).outcome == Done()
        )
        alice.do(StorePrivate((element("a", b"<a>2</a>"),)))
        kept = [("urn:x", "a", b"<a>2</a>"), ("urn:x", "b", b"<b/>"), ("urn:y", "a", b"<y/>"), ("urn:y", "b", None)]
        for namespace, name, data in kept:
            assert world.machine.answer(PrivateOf("alice", namespace, name)) == data
        assert world.machine.answer(PrivateOf("bob", "urn:x", "a")) is None
        assert world.machine.answer(PrivateOf("nobody", "urn:x", "a")) is None

    @pytest.mark.parametrize("excess", [0, 1])
    def test_size(self, world: World, excess: int):
        """Both sides of the limit; one element that is too large takes the others with it."""
        alice = world.online("alice")
        action = StorePrivate((element("b"), element("a", b"x" * (PRIVATE_ELEMENT_SIZE_MAX + excess))))
        outcome = alice.do(action).outcome
        if excess:
            assert isinstance(outcome, Rejected)
            assert outcome.condition == "not-acceptable"
        assert (world.machine.answer(PrivateOf("alice", "urn:x", "b")) is None) == bool(excess)

    def test_count(self, world: World, monkeypatch: pytest.MonkeyPatch):
        """A full store takes new values of what it has, and no new names."""
        monkeypatch.setattr(private_storage, "PRIVATE_ELEMENT_COUNT_MAX", 2)
        alice = world.online("alice")
        assert alice.do(StorePrivate((element("a"), element("a"), element("b")))).outcome == Done()
        assert alice.do(StorePrivate((element("a", b"<a>2</a>"),))).outcome == Done()
        outcome = alice.do(StorePrivate((element("a", b"<a>3</a>"), element("c")))).outcome
        assert isinstance(outcome, Rejected)
        assert outcome.condition == "resource-constraint"
        assert world.machine.answer(PrivateOf("alice", "urn:x", "a")) == b"<a>2</a>"


class TestVcards:
    """XEP-0054 section 3."""

    @pytest.mark.parametrize("excess", [0, 1])
    def test_a_card_is_kept_and_replaced(self, world: World, excess: int):
        """The last one that is not too large is there for everyone to read."""
        alice = world.online("alice")
        assert world.machine.answer(VcardOf("alice")) is None
        alice.do(SetVcard(b"<vCard/>"))
        data = b"x" * (VCARD_SIZE_MAX + excess)
        outcome = alice.do(SetVcard(data)).outcome
        assert (outcome == Done()) is not bool(excess)
        assert world.machine.answer(VcardOf("alice")) == (b"<vCard/>" if excess else data)
        assert world.machine.answer(VcardOf("nobody")) is None


class TestLastActivity:
    """XEP-0012 section 4."""

    def test_never_there(self, world: World):
        """An account that no session of was ever available: since it was made."""
        world.time_ms += 5000
        world.bind("alice").end()
        assert world.machine.answer(LastActivityOf("alice")) == LastActivity(False, START_MS, b"")
        assert world.machine.answer(LastActivityOf("nobody")) is None

    def test_the_last_session_to_leave_counts(self, world: World):
        """Nothing is noted while another session is available; then time and farewell are."""
        phone, desk = world.online("alice", "phone"), world.online("alice", "desk")
        world.time_ms += 1000
        phone.present(None, "<status>early</status>")
        assert world.machine.answer(LastActivityOf("alice")) == LastActivity(True, START_MS, b"")
        world.time_ms += 1000
        desk.present(None, "<status>bye</status>")
        stanza = f"<presence from='{desk.full_jid}' type='unavailable'><status>bye</status></presence>".encode()
        assert world.machine.answer(LastActivityOf("alice")) == LastActivity(False, START_MS + 2000, stanza)
        world.time_ms += 1000
        desk.end()
        assert world.machine.answer(LastActivityOf("alice")) == LastActivity(False, START_MS + 2000, stanza)

    def test_a_session_that_is_lost(self, world: World):
        """Its node dies: it left then, without a word."""
        world.online("alice", node_id=2)
        world.time_ms += 7000
        world.do(BuryNode(2, 1))
        assert world.machine.answer(LastActivityOf("alice")) == LastActivity(False, START_MS + 7000, b"")


def test_all_of_it_goes_with_the_account(world: World):
    """A later account of the name finds nothing of an earlier one."""
    alice = world.online("alice")
    alice.do(StorePrivate((element(),)))
    alice.do(SetVcard(b"<vCard/>"))
    alice.present(None)
    world.do(DeleteAccount("alice"))
    assert [world.count(table) for table in ("private", "vcard", "departure")] == [0, 0, 0]
