"""The roster (RFC 6121 section 2)."""

from __future__ import annotations

import pytest

from raftline.base.errors import LocalProtocolError
from raftline.base.limits import ROSTER_GROUP_COUNT_MAX, ROSTER_GROUP_SIZE_MAX, ROSTER_NAME_SIZE_MAX
from raftline.machine.commands import DeclareInterest, RemoveRosterItem, SetRosterItem
from raftline.machine.outcomes import Done, Rejected, Repeated, RosterItem, Stale
from raftline.machine.queries import Roster, RosterOf
from raftline.xmpp.effects import Ask, Propose
from raftline.xmpp.module import Modules
from raftline.xmpp.roster import handle_get, handle_set, register
from raftline.xmpp.stanza import Stanza
from xmpp_im.playbook import Playbook, stanza, tree
from xmpp_im.service import Service

BOB = RosterItem("bob@example.org", "Bob <3", "both", False, ("Friends", "Work"))
CAROL = RosterItem("carol@example.org", "", "none", True, ())


def roster_get(to: str = "", attributes: str = "") -> Stanza:
    """Make a roster get."""
    return stanza(f"<iq {to} type='get' id='r1'><query xmlns='jabber:iq:roster' {attributes}/></iq>")


def roster_set(items: str, to: str = "") -> Stanza:
    """Make a roster set."""
    return stanza(f"<iq {to} type='set' id='r1'><query xmlns='jabber:iq:roster'>{items}</query></iq>")


@pytest.fixture
def book() -> Playbook:
    """Alice's phone."""
    return Playbook()


class TestSection22:
    """2.2. Retrieving the roster on login."""

    @pytest.mark.parametrize("to", ["", "to='alice@example.org'"])
    def test_interest_comes_before_the_roster(self, book: Playbook, to: str) -> None:
        """Interest is in the log before the roster is read, so that no push is missed in between."""
        result = book.play(
            handle_get(book.context, roster_get(to)),
            (Propose(DeclareInterest()), Done()),
            (Ask(RosterOf("alice")), Roster(3, [BOB, CAROL])),
        )
        assert result.serialize() == (
            "<query xmlns='jabber:iq:roster'>"
            "<item jid='bob@example.org' name='Bob &lt;3' subscription='both'>"
            "<group>Friends</group><group>Work</group></item>"
            "<item jid='carol@example.org' subscription='none' ask='subscribe'/>"
            "</query>"
        )

    def test_an_empty_roster(self, book: Playbook) -> None:
        """2.1.4: an empty roster is an empty query."""
        result = book.play(
            handle_get(book.context, roster_get()),
            (Propose(DeclareInterest()), Repeated()),
            (Ask(RosterOf("alice")), Roster(0, [])),
        )
        assert result.serialize() == "<query xmlns='jabber:iq:roster'/>"

    def test_another_account(self, book: Playbook) -> None:
        """2.1.3: somebody else's roster is forbidden."""
        assert book.refusal(handle_get(book.context, roster_get("to='bob@example.org'"))) == ("forbidden", "auth")

    def test_a_session_that_is_over(self, book: Playbook) -> None:
        """Interest that could not be declared is an error to try again, not a roster without pushes."""
        steps = handle_get(book.context, roster_get())
        assert book.refusal(steps, (Propose(DeclareInterest()), Stale())) == ("resource-constraint", "wait")


class TestSection23:
    """2.3 and 2.4: adding and updating an item."""

    def test_an_item(self, book: Playbook) -> None:
        """The prepared address, name and groups go to the log; the result is empty."""
        sent = roster_set(
            "<item jid='Bob@Example.org' name='Bob' subscription='both' ask='subscribe' approved='true'>"
            "<group>Friends</group><group>Work</group></item>"
        )
        action = SetRosterItem("bob@example.org", "Bob", ("Friends", "Work"))
        assert book.play(handle_set(book.context, sent), (Propose(action), Done())) is None

    def test_an_item_of_elsewhere(self, book: Playbook) -> None:
        """2.1.2.3: any address can be written down, of another domain or of a service too."""
        for jid in ("bob@elsewhere.example", "gateway.example"):
            book.play(
                handle_set(book.context, roster_set(f"<item jid='{jid}'/>")),
                (Propose(SetRosterItem(jid, "", ())), Repeated()),
            )

    def test_apply_has_the_last_word(self, book: Playbook) -> None:
        """What apply refuses is the error of the request."""
        sent = roster_set("<item jid='bob@example.org'/>")
        action = SetRosterItem("bob@example.org", "", ())
        rejected = Rejected("resource-constraint", "wait", "full")
        assert book.refusal(handle_set(book.context, sent), (Propose(action), rejected)) == (
            "resource-constraint",
            "wait",
        )


class TestSection233:
    """2.3.3. Error cases."""

    @pytest.mark.parametrize(
        ("items", "expected"),
        [
            ("", ("bad-request", "modify")),
            ("<item jid='a@example.org'/><item jid='b@example.org'/>", ("bad-request", "modify")),
            ("<thing jid='a@example.org'/>", ("bad-request", "modify")),
            ("<item xmlns='urn:example' jid='a@example.org'/>", ("bad-request", "modify")),
            ("<item/>", ("bad-request", "modify")),
            ("<item jid=''/>", ("bad-request", "modify")),
            ("<item jid='a@b@c'/>", ("jid-malformed", "modify")),
            ("<item jid='bob@example.org/desk'/>", ("bad-request", "modify")),
            ("<item jid='alice@example.org'/>", ("not-allowed", "cancel")),
            ("<item jid='bob@example.org'><group>a</group><group>a</group></item>", ("bad-request", "modify")),
            ("<item jid='bob@example.org'><group/></item>", ("not-acceptable", "modify")),
        ],
    )
    def test_bad_items(self, book: Playbook, items: str, expected: tuple[str, str]) -> None:
        """Each is refused before anything enters the log."""
        assert book.refusal(handle_set(book.context, roster_set(items))) == expected

    def test_another_account(self, book: Playbook) -> None:
        """Somebody else's roster is forbidden."""
        sent = roster_set("<item jid='carol@example.org'/>", to="to='bob@example.org'")
        assert book.refusal(handle_set(book.context, sent)) == ("forbidden", "auth")

    @pytest.mark.parametrize("letter", ["n", "ü"])
    def test_length_of_a_name(self, book: Playbook, letter: str) -> None:
        """As many bytes as allowed pass, one more does not; bytes, not letters."""
        fits = letter * (ROSTER_NAME_SIZE_MAX // len(letter.encode()))
        sent = roster_set(f"<item jid='bob@example.org' name='{fits}'/>")
        book.play(handle_set(book.context, sent), (Propose(SetRosterItem("bob@example.org", fits, ())), Done()))
        sent = roster_set(f"<item jid='bob@example.org' name='{fits + letter}'/>")
        assert book.refusal(handle_set(book.context, sent)) == ("not-acceptable", "modify")

    def test_length_of_a_group(self, book: Playbook) -> None:
        """As for names."""
        fits = "g" * ROSTER_GROUP_SIZE_MAX
        sent = roster_set(f"<item jid='bob@example.org'><group>{fits}</group></item>")
        book.play(handle_set(book.context, sent), (Propose(SetRosterItem("bob@example.org", "", (fits,))), Done()))
        sent = roster_set(f"<item jid='bob@example.org'><group>{fits}g</group></item>")
        assert book.refusal(handle_set(book.context, sent)) == ("not-acceptable", "modify")

    def test_number_of_groups(self, book: Playbook) -> None:
        """As many as allowed pass, one more does not."""
        names = tuple(f"g{number}" for number in range(ROSTER_GROUP_COUNT_MAX + 1))
        groups = [f"<group>{name}</group>" for name in names]
        sent = roster_set(f"<item jid='bob@example.org'>{''.join(groups[:-1])}</item>")
        book.play(handle_set(book.context, sent), (Propose(SetRosterItem("bob@example.org", "", names[:-1])), Done()))
        sent = roster_set(f"<item jid='bob@example.org'>{''.join(groups)}</item>")
        assert book.refusal(handle_set(book.context, sent)) == ("not-acceptable", "modify")


class TestSection25:
    """2.5. Deleting a roster item."""

    def test_remove(self, book: Playbook) -> None:
        """Only the address counts."""
        sent = roster_set("<item jid='bob@example.org' subscription='remove' name='x'><group/></item>")
        book.play(handle_set(book.context, sent), (Propose(RemoveRosterItem("bob@example.org")), Done()))

    def test_remove_what_is_not_there(self, book: Playbook) -> None:
        """2.5.3: item-not-found, by apply."""
        sent = roster_set("<item jid='bob@example.org' subscription='remove'/>")
        rejected = Rejected("item-not-found", "cancel")
        assert book.refusal(
            handle_set(book.context, sent), (Propose(RemoveRosterItem("bob@example.org")), rejected)
        ) == ("item-not-found", "cancel")


def test_registration() -> None:
    """The handlers are for accounts, and are registered once."""
    modules = Modules()
    register(modules)
    assert modules.iq_handlers["account", "get", "jabber:iq:roster", "query"] is handle_get
    with pytest.raises(LocalProtocolError):
        register(modules)


class TestSection26:
    """2.6. Roster versioning."""

    def test_the_current_version_is_not_sent_again(self, book: Playbook) -> None:
        """2.6.3: an empty result; pushes are declared all the same."""
        result = book.play(
            handle_get(book.context, roster_get(attributes="ver='7'")),
            (Propose(DeclareInterest()), Done()),
            (Ask(RosterOf("alice")), Roster(7, [BOB])),
        )
        assert result is None

    @pytest.mark.parametrize("known", ["", "6", "8", "abc"])
    def test_any_other_version_gets_the_roster(self, book: Playbook, known: str) -> None:
        """2.6.2, 2.6.3: older, newer, none yet, or never ours: the whole roster under its version."""
        result = book.play(
            handle_get(book.context, roster_get(attributes=f"ver='{known}'")),
            (Propose(DeclareInterest()), Done()),
            (Ask(RosterOf("alice")), Roster(7, [BOB])),
        )
        assert result.attributes == {"ver": "7"}
        assert [item.get("jid") for item in result.elements()] == ["bob@example.org"]

    def test_versions_of_pushes_lead_to_that_of_the_roster(self) -> None:
        """2.6.3: a client that takes every push, removals too, knows the current version."""
        service = Service("alice", "bob")
        alice = service.bind("alice")
        alice.write("<iq type='get' id='r'><query xmlns='jabber:iq:roster' ver=''/></iq>")
        versions = [tree(alice.take()[-1])[0].get("ver")]
        for item in ("<item jid='bob@example.org' name='Bob'/>", "<item jid='bob@example.org' subscription='remove'/>"):
            alice.write(f"<iq type='set' id='s'><query xmlns='jabber:iq:roster'>{item}</query></iq>")
            [push] = [data for data in map(tree, alice.take()) if data.get("type") == "set"]
            versions.append(push[0].get("ver"))
        assert len(set(versions)) == 3
        desk = service.bind("alice", "desk")
        for version, is_current in zip(versions, (False, False, True), strict=True):
            desk.write(f"<iq type='get' id='r'><query xmlns='jabber:iq:roster' ver='{version}'/></iq>")
            assert (len(tree(desk.take()[-1])) == 0) is is_current


def test_pre_approval_shows_in_the_roster() -> None:
    """3.4: an approved contact is marked as such (section 2.1.2.1); a client's own mark is ignored."""
    service = Service("alice", "bob")
    alice = service.bind("alice")
    alice.write("<presence to='bob@example.org' type='subscribed'/>")
    item = "<item jid='carol@example.org' approved='true'/>"
    alice.write(f"<iq type='set' id='s'><query xmlns='jabber:iq:roster'>{item}</query></iq>")
    alice.take()
    alice.write("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    items = {entry.get("jid"): entry.get("approved") for entry in tree(alice.take()[-1])[0]}
    assert items == {"bob@example.org": "true", "carol@example.org": None}
