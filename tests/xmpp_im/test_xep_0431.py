"""XEP-0431 Full Text Search in MAM, by section, over the real state machine, with and without its index."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from raftline.base.limits import SEARCH_TEXT_SIZE_MAX
from xmpp_im.conversations import RSM, Page, archive, error_of, field, say, take
from xmpp_im.service import Client, Service

ALICE, BOB, CAROL = "alice@example.org", "bob@example.org", "carol@example.org"
FULLTEXT = "{urn:xmpp:fulltext:0}fulltext"

Index = Callable[[Service], None]


def nothing(_service: Service) -> None:
    """Index nothing: messages are read."""


def all_messages(service: Service) -> None:
    """Index all that there is."""
    for machine in service.machines.values():
        while machine.index_some(3):
            pass
        machine.commit()


def some_messages(service: Service) -> None:
    """Index two messages: the others are read."""
    for machine in service.machines.values():
        machine.index_some(2)
        machine.commit()


BY_ITSELF = pytest.mark.one_process(reason="real nodes index by themselves")


@pytest.fixture(
    params=[nothing, pytest.param(some_messages, marks=BY_ITSELF), pytest.param(all_messages, marks=BY_ITSELF)]
)
def index(request: pytest.FixtureRequest) -> Index:
    """How much is indexed before a search."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def service() -> Service:
    """A service of three people."""
    return Service("alice", "bob", "carol")


def search(client: Client, text: str, fields: str = "", paging: str = "") -> Page:
    """Search the own archive."""
    return archive(client, field(FULLTEXT, text.replace('"', "&quot;")) + fields, paging)


class TestSection2:
    """2. Overview."""

    def test_feature(self, service: Service) -> None:
        """2.1: announced by the account, whose archive it is, and by the server."""
        alice = service.bind("alice")
        for to in ("example.org", ALICE):
            alice.write(f"<iq to='{to}' type='get' id='d'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
            [reply] = take(alice)
            assert "urn:xmpp:fulltext:0" in {feature.get("var") for feature in reply[0]}

    def test_an_empty_text(self, service: Service) -> None:
        """2.2: it filters nothing."""
        alice = service.bind("alice")
        say(alice, BOB, "hi")
        assert search(alice, "").texts == ["hi"]


class TestSection32:
    """3.2. Results."""

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("tea", ["Tea at five", "tea with café au lait"]),
            ("TEA", ["Tea at five", "tea with café au lait"]),
            ("cafe", ["tea with café au lait"]),
            ("lait tea", ["tea with café au lait"]),
            ('"at five"', ["Tea at five"]),
            ('"five at"', []),
            ("fiv*", ["Tea at five"]),
            ("fiv", []),
            ("tea OR biscuits", []),
            ("body:tea", []),
            ("j*", []),
            ("it's", ["it's late"]),
            ("-tea", ["Tea at five", "tea with café au lait"]),
            ('"', []),
            ("!?", []),
            ("*", []),
        ],
    )
    def test_words(self, service: Service, index: Index, text: str, found: list[str]) -> None:
        """All words, in any order, case and accents; phrases, beginnings; nothing else is special."""
        alice = service.bind("alice")
        for written in ("Tea at five", "it's late", "tea with café au lait"):
            say(alice, BOB, written)
        index(service)
        page = search(alice, text)
        assert (page.texts, page.fin.get("complete")) == (found, "true")

    def test_the_own_archive_alone(self, service: Service, index: Index) -> None:
        """What others say to each other is not found, and what went between two is found by both."""
        alice, bob, carol = service.bind("alice"), service.bind("bob"), service.bind("carol")
        say(alice, BOB, "tea, bob")
        say(bob, CAROL, "tea, carol")
        say(carol, ALICE, "tea, alice")
        index(service)
        assert search(alice, "tea").texts == ["tea, bob", "tea, alice"]
        assert search(bob, "tea").texts == ["tea, bob", "tea, carol"]
        assert search(alice, "bob carol").texts == []

    @pytest.mark.one_process(reason="a clock that moves with each command")
    def test_with_other_filters(self, service: Service, index: Index) -> None:
        """Address, time and ids narrow a search like any query."""
        alice, bob, carol = service.bind("alice"), service.bind("bob"), service.bind("carol")
        for client, text in ((bob, "tea 1"), (carol, "tea 2"), (bob, "coffee 3"), (bob, "tea 4")):
            say(client, ALICE, text)
        index(service)
        ids = archive(alice).ids
        assert search(alice, "tea", field("with", BOB)).texts == ["tea 1", "tea 4"]
        assert search(alice, "tea", field("with", f"{BOB}/phone")).texts == ["tea 1", "tea 4"]
        assert search(alice, "tea", field("with", f"{BOB}/desk")).texts == []
        assert search(alice, "tea", field("ids", ids[0], ids[2])).texts == ["tea 1"]
        assert search(alice, "tea", field("after-id", ids[0])).texts == ["tea 2", "tea 4"]
        assert search(alice, "tea", field("before-id", ids[3])).texts == ["tea 1", "tea 2"]
        stamp = f"1970-01-01T00:00:{service.time_ms // 1000:02d}Z"
        assert search(alice, "tea", field("start", stamp)).texts == ["tea 4"]
        assert search(alice, "tea", field("end", "1970-01-01T00:00:01Z")).texts == []

    @pytest.mark.one_process(reason="a limit is made small")
    def test_paging(self, service: Service, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
        """Pages from either end, each message once, however small the windows that are searched; no count is told."""
        for name in ("SEARCH_WINDOW_ROW_COUNT_MAX", "UNINDEXED_WINDOW_ROW_COUNT_MAX"):
            monkeypatch.setattr(f"raftline.machine.history.search.{name}", 2)
        alice = service.bind("alice")
        for number in range(9):
            say(alice, BOB, f"{'tea' if number % 3 else 'coffee'} {number}")
        index(service)
        expected = [f"tea {number}" for number in (1, 2, 4, 5, 7, 8)]
        for backward in (False, True):
            seen: list[str | None] = []
            bound = "<before/>" if backward else ""
            for _ in range(4):
                page = search(alice, "tea", paging=f"<max>2</max>{bound}")
                assert page.fin.find(f".//{RSM}count") is None
                seen = page.texts + seen if backward else seen + page.texts
                if page.fin.get("complete") == "true":
                    break
                bound = f"<before>{page.ids[0]}</before>" if backward else f"<after>{page.ids[-1]}</after>"
            assert seen == expected

    @pytest.mark.parametrize(
        "mark",
        [
            "<encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:otr:0'/>",
            "<encrypted xmlns='eu.siacs.conversations.axolotl'/>",
            "<encrypted xmlns='urn:xmpp:omemo:1'/>",
            "<encrypted xmlns='urn:xmpp:omemo:2'/>",
            "<openpgp xmlns='urn:xmpp:openpgp:0'>x</openpgp>",
            "<x xmlns='jabber:x:encrypted'>x</x>",
        ],
    )
    def test_encrypted_messages(self, service: Service, index: Index, mark: str) -> None:
        """The body beside what is encrypted is no text of anybody's, and never found."""
        alice = service.bind("alice")
        say(alice, BOB, "tea encrypted", inner=mark)
        say(alice, BOB, "tea in the open")
        say(alice, BOB, "?OTR?tea")
        index(service)
        assert search(alice, "tea").texts == ["tea in the open"]

    def test_bodies_of_other_things(self, service: Service, index: Index) -> None:
        """Only the body of the message itself is searched: not what it forwards, names or says in other elements."""
        alice = service.bind("alice")
        forwarded = "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>tea</body></message>"
        say(alice, BOB, "look", inner=f"{forwarded}</forwarded>")
        say(alice, BOB, "look", inner="<body xmlns='urn:other'>tea</body><subject>tea</subject>")
        say(alice, BOB, "tea &amp; &lt;biscuits&gt;", inner="<body xml:lang='fr'>thé</body>")
        index(service)
        assert len(search(alice, "tea").ids) == 1
        assert len(search(alice, "the biscuits").ids) == 1

    def test_retracted_messages(self, service: Service, index: Index) -> None:
        """What was taken back is not found any more, nor is the text that stands for the retraction."""
        alice = service.bind("alice")
        for number in range(3):
            say(alice, BOB, f"tea {number}", f"m{number}")
        index(service)
        alice.write(
            f"<message to='{BOB}' type='chat' id='r'><retract xmlns='urn:xmpp:message-retract:1' id='m0'/>"
            "<body>no tea</body></message>"
        )
        assert search(alice, "tea").texts == ["tea 1", "tea 2"]


class TestBounds:
    """What a search may ask for."""

    def test_size_of_the_text(self, service: Service) -> None:
        """As long as allowed; one character more is refused."""
        alice = service.bind("alice")
        assert search(alice, "x" * SEARCH_TEXT_SIZE_MAX).ids == []
        form = field("FORM_TYPE", "urn:xmpp:mam:2") + field(FULLTEXT, "x" * (SEARCH_TEXT_SIZE_MAX + 1))
        query = f"<query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'>{form}</x></query>"
        alice.write(f"<iq type='set' id='q'>{query}</iq>")
        assert error_of(alice) == "policy-violation"
