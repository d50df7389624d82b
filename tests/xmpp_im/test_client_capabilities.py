"""XEP-0115 from the side of who asks: what is hashed of an answer, and which answers are ill-formed."""

from __future__ import annotations

import pytest

from raftline.machine.pubsub.commands import Capabilities, LearnCapabilities
from raftline.machine.pubsub.values import CapabilitiesUnknown
from raftline.xmpp.client_capabilities import (
    QUESTION_COUNT_MAX,
    capabilities_of,
    is_verified,
    render_question,
    verification_text,
    wanted_nodes,
)
from raftline.xmpp.effects import Submit
from raftline.xmpp.element import Element
from xmpp_im.playbook import Playbook, stanza, tree

INFO = "http://jabber.org/protocol/disco#info"
FEATURES = "".join(
    f"<feature var='http://jabber.org/protocol/{name}'/>" for name in ("muc", "disco#items", "disco#info", "caps")
)
SIMPLE = f"<identity category='client' type='pc' name='Exodus 0.9.1'/>{FEATURES}"
PSI = (
    "<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>"
    "<identity xml:lang='el' category='client' name='\u03a8 0.11' type='pc'/>" + FEATURES
)


def field(name: str, *values: str, kind: str = "") -> str:
    written = f" type='{kind}'" if kind else ""
    return f"<field var='{name}'{written}>{''.join(f'<value>{value}</value>' for value in values)}</field>"


def form(*fields: str, form_type: str = "urn:xmpp:dataforms:softwareinfo", kind: str = "hidden") -> str:
    head = field("FORM_TYPE", form_type, kind=kind) if form_type else ""
    return f"<x xmlns='jabber:x:data' type='result'>{head}{''.join(fields)}</x>"


SOFTWARE = form(
    field("software", "Psi"),
    field("ip_version", "ipv6", "ipv4", kind="text-multi"),
    field("os_version", "10.5.1"),
    field("os", "Mac"),
    field("software_version", "0.11"),
)


def info(content: str) -> Element:
    found = stanza(f"<iq type='result' id='x'><query xmlns='{INFO}'>{content}</query></iq>").element
    query = found.child("query", INFO)
    assert query is not None
    return query


class TestSection5Verification:
    """5.1 to 5.4."""

    @pytest.mark.parametrize(
        ("content", "version"),
        [(SIMPLE, "QgayPKawpkPSDYmwT/WM94uAlu0="), (PSI + SOFTWARE, "q07IKJEyjvHSyhy//CH0CxmKi8w=")],
        ids=["5.2", "5.3"],
    )
    def test_the_examples(self, content: str, version: str) -> None:
        """The hashes that the specification gives, and no others."""
        assert is_verified(info(content), Capabilities("sha-1", version, "urn:c"))
        assert not is_verified(info(content + "<feature var='urn:x'/>"), Capabilities("sha-1", version, "urn:c"))
        assert not is_verified(info(content), Capabilities("sha-256", version, "urn:c"))
        assert not is_verified(info(content), Capabilities("md5", version, "urn:c"))

    def test_another_algorithm(self) -> None:
        """5.4 (3): one that is supported beside SHA-1."""
        version = "Wr6IGEKhx6b9627gBmi/cCmpxXBc/GYq5zWuYfWGWoc="
        assert is_verified(info(SIMPLE), Capabilities("sha-256", version, ""))
        assert not is_verified(info(SIMPLE), Capabilities("sha-1", version, ""))

    @pytest.mark.parametrize(
        "content",
        [
            SIMPLE + "<identity category='client' type='pc' name='Exodus 0.9.1'/>",
            SIMPLE + "<feature var='http://jabber.org/protocol/muc'/>",
            SIMPLE + form() + form(),
            SIMPLE
            + form(
                field("FORM_TYPE", "urn:other", "urn:another", kind="hidden"),
                form_type="",
            ),
            SIMPLE + "<feature var='a&lt;b'/>",
            SIMPLE + form(field("os", "a&lt;b")),
        ],
        ids=["an identity twice", "a feature twice", "a form twice", "two types", "a separator", "one in a value"],
    )
    def test_ill_formed(self, content: str) -> None:
        """5.4 (3.3 to 3.5), 8.1: nothing is hashed."""
        assert verification_text(info(content)) is None

    @pytest.mark.parametrize(
        "content", [form(field("os", "x"), form_type=""), form(field("os", "x"), kind="text-single")]
    )
    def test_forms_that_are_ignored(self, content: str) -> None:
        """5.4 (3.6): without a type, or with one that is not hidden."""
        assert verification_text(info(SIMPLE + content)) == verification_text(info(SIMPLE))


class TestSection4Presence:
    """4: what presence says."""

    @pytest.mark.parametrize(
        ("attributes", "expected"),
        [
            ("hash='sha-1' node='urn:c' ver='v'", Capabilities("sha-1", "v", "urn:c")),
            ("node='urn:c' ver='0.9' ext='a b'", Capabilities("", "0.9", "urn:c")),
            ("hash='sha-1' node='urn:c'", None),
        ],
    )
    def test_reading(self, attributes: str, expected: Capabilities | None) -> None:
        """The legacy form has no hash; without a version nothing is said."""
        presence = stanza(f"<presence><c xmlns='http://jabber.org/protocol/caps' {attributes}/></presence>")
        assert capabilities_of(presence.element) == expected
        assert capabilities_of(stanza("<presence/>").element) is None


class TestQuestions:
    """6.2: the server asks a client."""

    def test_the_answer_finds_its_way(self) -> None:
        """By the id; it is taken once."""
        book = Playbook()
        capabilities = Capabilities("sha-1", "QgayPKawpkPSDYmwT/WM94uAlu0=", "urn:c")
        asked = tree(render_question(book.context, CapabilitiesUnknown(1, 1, capabilities)))  # type: ignore[arg-type]
        take = book.context.questions.pop(asked.get("id", ""))
        content = SIMPLE + "<feature var='urn:n+notify'/>"
        answer = stanza(f"<iq type='result' id='x'><query xmlns='{INFO}'>{content}</query></iq>")
        book.play(take(book.context, answer), (Submit(LearnCapabilities(capabilities, ("urn:n",), False)), None))

    def test_open_ones_are_bounded(self) -> None:
        """The oldest is forgotten."""
        book = Playbook()
        for number in range(QUESTION_COUNT_MAX + 1):
            event = CapabilitiesUnknown(1, 1, Capabilities("sha-1", str(number), ""))  # type: ignore[arg-type]
            render_question(book.context, event)
        assert list(book.context.questions) == [f"s{number}" for number in range(2, QUESTION_COUNT_MAX + 2)]

    def test_nodes(self) -> None:
        """XEP-0060 9.2: sorted, each once; the suffix alone names none."""
        content = "".join(f"<feature var='{name}'/>" for name in ("b+notify", "a+notify", "b+notify", "+notify", "c"))
        assert wanted_nodes(info(content)) == ("a", "b")
