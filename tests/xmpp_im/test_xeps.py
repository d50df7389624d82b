"""The small XEPs, service discovery, and the catalog that holds them all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import raftline
from raftline.machine.pubsub.access import NO_SUCH_NODE
from raftline.machine.pubsub.queries import ItemsOf, NodeOf, NodesOf
from raftline.machine.queries import SubscriptionOf
from raftline.xmpp import xeps
from raftline.xmpp.catalog import all_modules
from raftline.xmpp.effects import Ask
from raftline.xmpp.element import Element
from raftline.xmpp.module import IqHandler, Modules
from raftline.xmpp.stanza import Stanza
from raftline.xmpp.xeps.xep_0215_external_services import ExternalServices
from raftline.xmpp.xeps.xep_0363_http_upload import UploadService
from xmpp_im.playbook import FakeContext, Playbook, stanza, tree

INFO = "http://jabber.org/protocol/disco#info"
RSM = "http://jabber.org/protocol/rsm"
ITEMS = "http://jabber.org/protocol/disco#items"
SEEN = Ask(SubscriptionOf("bob", "alice@example.org"))


def wall_clock_ms() -> int:
    """A clock that stands."""
    return 1_166_551_115_042


def everything() -> Modules:
    """All modules, those that an operator has to set up among them."""
    return all_modules(
        wall_clock_ms=wall_clock_ms,
        external_services=ExternalServices((), b"", 60),
        uploads=UploadService(str, bytes, 1, 1, 1),
    )


@pytest.fixture
def book() -> Playbook:
    """Alice's phone at a service with everything."""
    return Playbook(FakeContext(modules=all_modules(wall_clock_ms=wall_clock_ms)))


def get(namespace: str, name: str = "query", to: str = "", attributes: str = "") -> Stanza:
    """Make an IQ get."""
    return stanza(f"<iq {to} type='get' id='g'><{name} xmlns='{namespace}' {attributes}/></iq>")


def handler(book: Playbook, target: str, namespace: str, name: str = "query") -> IqHandler:
    """The handler as dispatch finds it."""
    return book.context.modules.iq_handlers[target, "get", namespace, name]


def features_of(info: Element) -> list[str | None]:
    """What an answer of service discovery announces."""
    return [child.get("var") for child in info.elements() if child.name == "feature"]


class TestXep0030:
    """XEP-0030 Service Discovery."""

    def test_the_server(self, book: Playbook) -> None:
        """3.1: who it is, and all that the modules declare for it, each once and sorted."""
        info = book.play(handler(book, "server", INFO)(book.context, get(INFO, to="to='example.org'")))
        identity = info.child("identity", INFO)
        assert identity.attributes == {"category": "server", "type": "im", "name": "Raftline"}
        features = features_of(info)
        assert features == sorted(set(features))
        declared = {name for module in book.context.modules.declarations for name in module.features}
        assert set(features) == declared >= {INFO, ITEMS, "urn:xmpp:ping", "msgoffline", "urn:xmpp:delay"}
        assert "urn:xmpp:mam:2" not in features, "the archive is the account's (XEP-0313 section 7)"

    def test_features_follow_from_declarations(self, book: Playbook) -> None:
        """What a module comes to declare is announced, in the place it declares it for."""
        declarations = book.context.modules.declarations
        declarations.append(replace(declarations[0], features=("urn:a",), account_features=("urn:b",)))
        server = book.play(handler(book, "server", INFO)(book.context, get(INFO)))
        account = book.play(handler(book, "account", INFO)(book.context, get(INFO)))
        assert ("urn:a" in features_of(server), "urn:b" in features_of(server)) == (True, False)
        assert ("urn:a" in features_of(account), "urn:b" in features_of(account)) == (False, True)

    @pytest.mark.parametrize("to", ["", "to='alice@example.org'"])
    def test_the_own_account(self, book: Playbook, to: str) -> None:
        """3.1: an account that is registered, with archive (XEP-0313 7), pages (XEP-0059 4) and ids (XEP-0359 5)."""
        info = book.play(handler(book, "account", INFO)(book.context, get(INFO, to=to)))
        assert info.child("identity", INFO).attributes == {"category": "account", "type": "registered"}
        assert {"urn:xmpp:mam:2", "urn:xmpp:mam:2#extended", "urn:xmpp:sid:0", RSM} <= set(features_of(info))

    def test_a_contact(self, book: Playbook) -> None:
        """8: an account is described to whom it shares its presence with."""
        sent = get(INFO, to="to='bob@example.org'")
        info = book.play(handler(book, "account", INFO)(book.context, sent), (SEEN, True))
        assert info.child("identity", INFO).get("category") == "account"

    @pytest.mark.parametrize("attributes", ["", "node='n'"])
    def test_a_stranger(self, book: Playbook, attributes: str) -> None:
        """8: service-unavailable to everyone else, with a node too, as for an account that does not exist."""
        sent = get(INFO, to="to='bob@example.org'", attributes=attributes)
        steps = handler(book, "account", INFO)(book.context, sent)
        asked = [(Ask(NodeOf("bob", "alice@example.org", "n")), NO_SUCH_NODE)] if attributes else []
        assert book.refusal(steps, *asked, (SEEN, False)) == ("service-unavailable", "cancel")

    @pytest.mark.parametrize("target", ["server", "account"])
    @pytest.mark.parametrize("namespace", [INFO, ITEMS])
    def test_unknown_nodes(self, book: Playbook, target: str, namespace: str) -> None:
        """7: item-not-found, for whoever may look at all."""
        sent = get(namespace, attributes="node='n'")
        steps = handler(book, target, namespace)(book.context, sent)
        query = NodeOf if namespace == INFO else ItemsOf
        asked = [(Ask(query("alice", "alice@example.org", "n")), NO_SUCH_NODE)] if target == "account" else []
        assert book.refusal(steps, *asked) == ("item-not-found", "cancel")

    def test_items_of_the_server(self, book: Playbook) -> None:
        """4.1: the hosts below the domain; modules add theirs."""
        handle = handler(book, "server", ITEMS)
        hosts = [Element("item", ITEMS, {"jid": "conference.example.org", "name": "Rooms"})]
        assert list(book.play(handle(book.context, get(ITEMS))).elements()) == hosts
        item = Element("item", ITEMS, {"jid": "other.example.org"})
        book.context.modules.disco_items.append(lambda context, user: [item] if user == context.jid else [])
        assert list(book.play(handle(book.context, get(ITEMS))).elements()) == [*hosts, item]

    def test_items_of_accounts(self, book: Playbook) -> None:
        """8: an empty set for the own account, a contact and a stranger alike, who learns nothing of nodes either."""
        handle = handler(book, "account", ITEMS)
        empty = Element("query", ITEMS)
        own, bobs = (Ask(NodesOf(owner, "alice@example.org")) for owner in ("alice", "bob"))
        assert book.play(handle(book.context, get(ITEMS)), (own, [])) == empty
        of_bob = get(ITEMS, to="to='bob@example.org'")
        assert book.play(handle(book.context, of_bob), (SEEN, True), (bobs, [])) == empty
        assert book.play(handle(book.context, of_bob), (SEEN, False)) == empty
        with_node = get(ITEMS, to="to='bob@example.org'", attributes="node='n'")
        asked = (Ask(ItemsOf("bob", "alice@example.org", "n")), NO_SUCH_NODE)
        assert book.play(handle(book.context, with_node), (SEEN, False), asked) == empty
        assert book.refusal(handle(book.context, with_node), (SEEN, True), asked) == ("item-not-found", "cancel")


class TestXep0199:
    """XEP-0199 XMPP Ping, section 4.2."""

    @pytest.mark.parametrize(
        ("target", "to"), [("server", "to='example.org'"), ("account", ""), ("account", "to='alice@example.org'")]
    )
    def test_pong(self, book: Playbook, target: str, to: str) -> None:
        """An empty result by the server and by the own account."""
        steps = handler(book, target, "urn:xmpp:ping", "ping")(book.context, get("urn:xmpp:ping", "ping", to))
        assert book.play(steps) is None

    def test_other_accounts(self, book: Playbook) -> None:
        """Whether they exist is not told."""
        sent = get("urn:xmpp:ping", "ping", "to='bob@example.org'")
        steps = handler(book, "account", "urn:xmpp:ping", "ping")(book.context, sent)
        assert book.refusal(steps) == ("service-unavailable", "cancel")


def test_xep_0092(book: Playbook) -> None:
    """Name and version, and nothing of the machine."""
    answer = book.play(handler(book, "server", "jabber:iq:version")(book.context, get("jabber:iq:version")))
    assert answer.serialize() == (
        f"<query xmlns='jabber:iq:version'><name>Raftline</name><version>{raftline.__version__}</version></query>"
    )


def test_xep_0202(book: Playbook) -> None:
    """The clock's time in UTC; without a clock it is neither announced nor answered."""
    answer = book.play(handler(book, "server", "urn:xmpp:time", "time")(book.context, get("urn:xmpp:time", "time")))
    assert [(child.name, child.text) for child in answer.elements()] == [
        ("tzo", "+00:00"),
        ("utc", "2006-12-19T17:58:35.042Z"),
    ]
    without = all_modules()
    assert ("server", "get", "urn:xmpp:time", "time") not in without.iq_handlers
    assert 202 not in {declaration.number for declaration in without.declarations}


class TestCatalog:
    """Everything is registered, and says what it is."""

    def test_the_handlers_are_there(self) -> None:
        """Messages and presence have a handler."""
        modules = all_modules()
        assert modules.message_handler is not None
        assert modules.presence_handler is not None

    def test_each_file_is_declared(self) -> None:
        """A file per XEP under xeps/ appears in the declarations, and no XEP twice."""
        numbers = [declaration.number for declaration in everything().declarations]
        assert len(numbers) == len(set(numbers))
        files = {int(path.name[4:8]) for path in Path(xeps.__path__[0]).glob("xep_*.py")}
        assert files <= set(numbers)

    def test_declarations_are_complete(self) -> None:
        """Title, version and status are what the DOAP file needs; what is partial says why."""
        for declaration in everything().declarations:
            assert declaration.title
            assert all(part.isdigit() for part in declaration.version.split("."))
            assert declaration.status in {"complete", "partial"}
            assert declaration.note or declaration.status == "complete"

    def test_answers_are_well_formed(self, book: Playbook) -> None:
        """An answer of discovery survives the way to a client."""
        info = book.play(handler(book, "server", INFO)(book.context, get(INFO)))
        assert len(tree(info.serialize())) == len(info.children)
