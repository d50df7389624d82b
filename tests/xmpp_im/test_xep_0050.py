"""XEP-0050 Ad-Hoc Commands: discovery, the course of a command, and what goes wrong."""

from __future__ import annotations

from typing import Any

import pytest

from raftline.base.errors import Refused
from raftline.base.limits import COMMAND_SESSION_COUNT_MAX
from raftline.xmpp.catalog import all_modules
from raftline.xmpp.data_forms import make_form
from raftline.xmpp.element import Element
from raftline.xmpp.module import Command, CommandResult
from raftline.xmpp.payloads import form_field
from raftline.xmpp.xeps.xep_0050_commands import handle_command
from xmpp_im.playbook import FakeContext, Playbook, stanza

NS = "http://jabber.org/protocol/commands"
INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
SUBMIT = (
    "<x xmlns='jabber:x:data' type='{}'><field var='FORM_TYPE'><value>urn:x</value></field>"
    "<field var='a'><value>1</value></field></x>"
)


class Runs:
    """Commands that note what they were given: with a form, without one, and one that is not the user's."""

    def __init__(self) -> None:
        self.given: list[dict[str, list[str]]] = []
        self.result: CommandResult | Refused = CommandResult()
        self.book = Playbook(FakeContext(modules=all_modules()))
        self.book.context.modules.commands.clear()
        form = make_form("form", "urn:x", [form_field("a", "text-single")])
        for command in (
            Command("asks", "It asks", lambda _: True, self.run, form, "urn:x"),
            Command("tells", "It tells", lambda context: context.jid.local == "alice", self.run),
            Command("another's", "Not yours", lambda _: False, self.run),
        ):
            self.book.context.modules.commands[command.node] = command

    def run(self, _context: Any, fields: dict[str, list[str]]) -> Any:
        yield from ()
        self.given.append(fields)
        if isinstance(self.result, Refused):
            raise self.result
        return self.result

    def send(self, attributes: str, inner: str = "") -> Element:
        request = stanza(
            f"<iq to='example.org' type='set' id='1'><command xmlns='{NS}' {attributes}>{inner}</command></iq>"
        )
        answer = self.book.play(handle_command(self.book.context, request))
        assert isinstance(answer, Element)
        return answer

    def refused(self, attributes: str, inner: str = "") -> tuple[str, str]:
        """Return the condition and the command's own condition."""
        with pytest.raises(Refused) as caught:
            self.send(attributes, inner)
        return caught.value.condition, caught.value.detail.removeprefix(f"{{{NS}}}")

    def begin(self) -> str:
        session_id = self.send("node='asks'").get("sessionid")
        assert session_id
        return session_id

    def discover(self, namespace: str, node: str) -> Element:
        handle = self.book.context.modules.iq_handlers["server", "get", namespace, "query"]
        request = stanza(f'<iq to="example.org" type="get" id="1"><query xmlns="{namespace}" node="{node}"/></iq>')
        answer = self.book.play(handle(self.book.context, request))
        assert answer.get("node") == node
        return answer


@pytest.fixture
def runs() -> Runs:
    return Runs()


class TestSection2Discovery:
    """2.1 and 2.2."""

    def test_the_list(self, runs: Runs) -> None:
        """2.2: each user sees the commands that are theirs, under the one node; the list has an identity."""
        listed = [(item.get("jid"), item.get("node")) for item in runs.discover(ITEMS, NS).elements()]
        assert listed == [("example.org", "asks"), ("example.org", "tells")]
        identity = runs.discover(INFO, NS).child("identity", INFO)
        assert (identity.get("category"), identity.get("type")) == ("automation", "command-list")  # type: ignore[union-attr]

    def test_a_command(self, runs: Runs) -> None:
        """2.2: an identity with its name, and the features of commands and forms; it has no items."""
        info = runs.discover(INFO, "asks")
        assert info.child("identity", INFO).attributes == {  # type: ignore[union-attr]
            "category": "automation",
            "type": "command-node",
            "name": "It asks",
        }
        assert [child.get("var") for child in info.elements() if child.name == "feature"] == [NS, "jabber:x:data"]
        assert list(runs.discover(ITEMS, "asks").elements()) == []

    def test_what_is_not_the_users(self, runs: Runs) -> None:
        """2.2: forbidden; what does not exist is not found."""
        for node, condition in (("another's", "forbidden"), ("nothing", "item-not-found")):
            with pytest.raises(Refused) as caught:
                runs.discover(INFO, node)
            assert caught.value.condition == condition
        with pytest.raises(Refused, match="node"):
            runs.discover(ITEMS, "nothing")


class TestSection24Executing:
    """2.4."""

    @pytest.mark.parametrize("action", ["", "action='execute'"])
    def test_at_once(self, runs: Runs, action: str) -> None:
        """2.4.1: what needs no form is completed by the first request."""
        runs.result = CommandResult(make_form("result", "urn:x", [form_field("n", "text-single", "7")]))
        answer = runs.send(f"node='tells' {action}")
        assert runs.given == [{}]
        assert (answer.get("node"), answer.get("status")) == ("tells", "completed")
        assert answer.get("sessionid")
        assert [child.name for child in answer.elements()] == ["x"]

    @pytest.mark.parametrize("action", ["", "action='execute'", "action='complete'", "action='next'"])
    @pytest.mark.parametrize("kind", ["submit", "cancel"])
    def test_with_a_form(self, runs: Runs, action: str, kind: str) -> None:
        """2.4.2, 3.4, 3.5.1: the form is shown with what can be done, then submitted under its session, once."""
        shown = runs.send("node='asks'")
        assert (shown.get("status"), runs.given) == ("executing", [])
        assert shown.get("{http://www.w3.org/XML/1998/namespace}lang") == "en"
        actions, form = shown.elements()
        assert (actions.get("execute"), [child.name for child in actions.elements()]) == ("complete", ["complete"])
        assert form.get("type") == "form"
        session_id = shown.get("sessionid")
        answer = runs.send(f"node='asks' sessionid='{session_id}' {action}", SUBMIT.format(kind))
        assert (answer.get("status"), answer.get("sessionid")) == ("completed", session_id)
        assert runs.given == [{"a": ["1"]}]
        again = runs.refused(f"node='asks' sessionid='{session_id}'", SUBMIT.format("submit"))
        assert again == ("bad-request", "bad-sessionid")

    def test_canceling(self, runs: Runs) -> None:
        """2.4.3: it is said to be so, nothing happened, and the session is over."""
        session_id = runs.begin()
        canceled = runs.send(f"node='asks' sessionid='{session_id}' action='cancel'")
        assert (canceled.get("status"), canceled.get("sessionid")) == ("canceled", session_id)
        assert runs.refused(f"node='asks' sessionid='{session_id}'", SUBMIT.format("submit"))[1] == "bad-sessionid"
        assert runs.given == []


class TestSection3Implementation:
    """3.3 to 3.6."""

    def test_sessions_have_ids_of_their_own(self, runs: Runs) -> None:
        """3.3: several at a time, each for its command and for one stream."""
        first, second = runs.begin(), runs.begin()
        assert first != second
        assert runs.refused(f"node='tells' sessionid='{first}'")[1] == "bad-sessionid"
        other = Runs()
        assert other.refused(f"node='asks' sessionid='{first}x'", SUBMIT.format("submit"))[1] == "bad-sessionid"
        assert runs.send(f"node='asks' sessionid='{second}'", SUBMIT.format("submit")).get("status") == "completed"

    def test_sessions_are_bounded(self, runs: Runs) -> None:
        """Beyond the limit the oldest is over, the others go on."""
        ids = [runs.begin() for _ in range(COMMAND_SESSION_COUNT_MAX + 1)]
        assert runs.refused(f"node='asks' sessionid='{ids[0]}'", SUBMIT.format("submit"))[1] == "bad-sessionid"
        assert runs.send(f"node='asks' sessionid='{ids[1]}'", SUBMIT.format("submit")).get("status") == "completed"

    def test_failing_in_part(self, runs: Runs) -> None:
        """3.6: it is completed, with a note of type error for each failure."""
        runs.result = CommandResult(failures=("one", "two"))
        notes = list(runs.send("node='tells'").elements())
        assert [(note.name, note.get("type"), note.text) for note in notes] == [
            ("note", "error", "one"),
            ("note", "error", "two"),
        ]

    def test_what_is_refused_can_be_mended(self, runs: Runs) -> None:
        """The session goes on after an error, so that the form can be submitted anew."""
        session_id = runs.begin()
        runs.result = Refused("conflict", "cancel")
        assert runs.refused(f"node='asks' sessionid='{session_id}'", SUBMIT.format("submit")) == ("conflict", "")
        runs.result = CommandResult()
        assert runs.send(f"node='asks' sessionid='{session_id}'", SUBMIT.format("submit")).get("status") == "completed"


class TestSection44Errors:
    """4.4."""

    @pytest.mark.parametrize(
        ("attributes", "expected"),
        [
            ("", ("item-not-found", "")),
            ("node='nothing'", ("item-not-found", "")),
            ('node="another\'s"', ("forbidden", "")),
            ("node='asks' action='jump'", ("bad-request", "malformed-action")),
            ("node='asks' action='next'", ("bad-request", "bad-action")),
            ("node='asks' action='cancel'", ("bad-request", "bad-action")),
            ("node='asks' sessionid='x'", ("bad-request", "bad-sessionid")),
        ],
    )
    def test_requests(self, runs: Runs, attributes: str, expected: tuple[str, str]) -> None:
        """Each with its condition, and nothing is executed."""
        assert runs.refused(attributes) == expected
        assert runs.given == []

    @pytest.mark.parametrize(
        ("action", "inner", "expected"),
        [
            ("", "", "bad-payload"),
            ("", "<x xmlns='jabber:x:data' type='form'/>", "bad-payload"),
            ("", SUBMIT.format("submit").replace("urn:x", "urn:y"), "bad-payload"),
            ("action='prev'", "", "bad-action"),
        ],
    )
    def test_later_stages(self, runs: Runs, action: str, inner: str, expected: str) -> None:
        """A form that is missing, or another one; there is no way back."""
        assert runs.refused(f"node='asks' sessionid='{runs.begin()}' {action}", inner) == ("bad-request", expected)
        assert runs.given == []
