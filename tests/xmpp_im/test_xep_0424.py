"""XEP-0424 Message Retraction, by section, over the real state machine."""

from __future__ import annotations

import pytest

from raftline.xmpp import retraction
from xmpp_im.conversations import BODY, archive, field, say, take
from xmpp_im.service import Client, Service

BOB = "bob@example.org"
ALICE = "alice@example.org"
RETRACT = "urn:xmpp:message-retract:1"
SECRET = "the secret"


@pytest.fixture
def service() -> Service:
    """A service of three people."""
    return Service("alice", "bob", "carol")


def retract(client: Client, to: str, target: str, retraction_id: str = "r", inner: str = "") -> None:
    """Take a message back."""
    own_id = f" id='{retraction_id}'" if retraction_id else ""
    client.write(
        f"<message to='{to}' type='chat'{own_id}><retract xmlns='{RETRACT}' id='{target}'/>"
        f"<fallback xmlns='urn:xmpp:fallback:0' for='{RETRACT}'/><body>/me took it back</body>{inner}</message>"
    )


def holds(service: Service, text: str) -> bool:
    """Whether any stored message has this text."""
    service.machine.commit()
    sql = "SELECT count(*) FROM message WHERE instr(stanza, ?)"
    return bool(service.machine._database.execute(sql, (text.encode(),)).fetchone()[0])


class TestSection3:
    """3. Discovering support."""

    def test_features(self, service: Service) -> None:
        """Server and account announce retraction, and tombstones (section 5)."""
        alice = service.bind("alice")
        for to in ("example.org", ALICE):
            alice.write(f"<iq to='{to}' type='get' id='d'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
            [reply] = take(alice)
            features = {feature.get("var") for feature in reply[0]}
            assert {RETRACT, f"{RETRACT}#tombstone"} <= features


class TestSection5:
    """5. Tombstones."""

    @pytest.mark.one_process(reason="a clock that moves with each command")
    def test_a_tombstone_in_both_archives(self, service: Service) -> None:
        """The text goes; addresses, type and id stay, and the retraction is named with its time and is archived too."""
        alice, bob = service.bind("alice"), service.bind("bob")
        say(alice, BOB, "before", "m0")
        say(alice, BOB, SECRET, "m1")
        ids = archive(alice).ids
        retract(alice, BOB, "m1", "r1")
        stamp_ms = service.time_ms
        for client in (alice, bob):
            page = archive(client)
            assert page.ids[:2] == ids
            assert page.texts == ["before", None, "/me took it back"]
            buried = page.messages[1]
            assert buried.attrib == {"from": f"{ALICE}/phone", "to": BOB, "type": "chat", "id": "m1"}
            [retracted] = buried
            assert retracted.tag == f"{{{RETRACT}}}retracted"
            assert retracted.attrib == {"id": "r1", "stamp": f"1970-01-01T00:00:{stamp_ms // 1000:02d}.000Z"}
        assert not holds(service, SECRET)

    def test_the_retraction_is_delivered(self, service: Service) -> None:
        """It reaches the recipient like any message."""
        alice, bob = service.bind("alice"), service.bind("bob")
        bob.write("<presence/>")
        say(alice, BOB, SECRET, "m1")
        bob.take()
        retract(alice, BOB, "m1")
        [message] = take(bob)
        assert message.find(f"{{{RETRACT}}}retract") is not None

    def test_an_empty_message(self, service: Service) -> None:
        """A message without children becomes a tombstone as well."""
        alice = service.bind("alice")
        alice.write(f"<message to='{BOB}' type='chat' id='m1'><store xmlns='urn:xmpp:hints'/></message>")
        retract(alice, BOB, "m1")
        assert [child.tag for child in archive(alice).messages[0]] == [f"{{{RETRACT}}}retracted"]

    def test_without_an_id_of_its_own(self, service: Service) -> None:
        """A tombstone must name the retraction, so one without an id leaves none."""
        alice = service.bind("alice")
        say(alice, BOB, SECRET, "m1")
        retract(alice, BOB, "m1", "")
        assert archive(alice).texts == [SECRET, "/me took it back"]

    def test_again(self, service: Service) -> None:
        """A second retraction names itself in the tombstone; nothing else changes."""
        alice = service.bind("alice")
        say(alice, BOB, SECRET, "m1")
        retract(alice, BOB, "m1", "r1")
        retract(alice, BOB, "m1", "r2")
        page = archive(alice)
        assert page.messages[0][0].get("id") == "r2"
        assert len(page.ids) == 3

    def test_odd_ids(self, service: Service) -> None:
        """Ids are compared as text, whatever they are made of."""
        alice = service.bind("alice")
        say(alice, BOB, SECRET, "a&lt;&apos;b%")
        retract(alice, BOB, "a&lt;&apos;b%", "x&quot;&amp;y")
        assert archive(alice).messages[0][0].get("id") == 'x"&y'


class TestSection6:
    """6. Business rules."""

    def test_only_the_author(self, service: Service) -> None:
        """The recipient cannot take the sender's message back, and nobody else can."""
        alice, bob, carol = service.bind("alice"), service.bind("bob"), service.bind("carol")
        say(alice, BOB, SECRET, "m1")
        retract(bob, ALICE, "m1")
        retract(carol, BOB, "m1")
        assert archive(alice).texts[0] == archive(bob).texts[0] == SECRET

    def test_from_another_device(self, service: Service) -> None:
        """The bare address counts."""
        phone, desk = service.bind("alice"), service.bind("alice", "desk")
        say(phone, BOB, SECRET, "m1")
        retract(desk, BOB, "m1")
        assert archive(phone).texts[0] is None

    def test_in_the_same_conversation(self, service: Service) -> None:
        """An id that was used in another conversation is another message."""
        alice = service.bind("alice")
        say(alice, BOB, "to bob", "m1")
        say(alice, "carol@example.org", "to carol", "m1")
        retract(alice, BOB, "m1")
        assert archive(alice).texts == [None, "to carol", "/me took it back"]

    def test_with_oneself(self, service: Service) -> None:
        """Notes to oneself can be taken back."""
        alice = service.bind("alice")
        say(alice, ALICE, SECRET, "m1")
        retract(alice, ALICE, "m1")
        assert archive(alice).texts == [None, "/me took it back"]

    def test_a_retraction_stays(self, service: Service) -> None:
        """The archive must keep retractions, so they cannot be retracted."""
        alice = service.bind("alice")
        say(alice, BOB, SECRET, "m1")
        retract(alice, BOB, "m1", "r1")
        retract(alice, BOB, "r1", "r2")
        assert archive(alice).messages[1].find(f"{{{RETRACT}}}retract") is not None

    @pytest.mark.parametrize("hint", ["no-permanent-store", "store"])
    def test_it_is_archived_whatever_the_hint(self, service: Service, hint: str) -> None:
        """Those who catch up learn of it from the archive."""
        alice, bob = service.bind("alice"), service.bind("bob")
        say(alice, BOB, SECRET, "m1")
        retract(alice, BOB, "m1", inner=f"<{hint} xmlns='urn:xmpp:hints'/>")
        assert archive(bob).texts == [None, "/me took it back"]

    def test_who_was_blocked_hides_nothing(self, service: Service) -> None:
        """A retraction that is not accepted takes nothing back: the recipient keeps what came before the block."""
        alice, bob = service.bind("alice"), service.bind("bob")
        say(alice, BOB, SECRET, "m1")
        bob.write(f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{ALICE}'/></block></iq>")
        retract(alice, BOB, "m1")
        assert archive(bob).texts == [SECRET]

    def test_it_waits_no_longer(self, service: Service) -> None:
        """Whoever is offline gets a tombstone in the place of the text, late."""
        alice = service.bind("alice")
        say(alice, BOB, SECRET, "m1")
        retract(alice, BOB, "m1")
        bob = service.bind("bob")
        bob.write("<presence/>")
        messages = [each for each in take(bob) if each.tag.endswith("}message")]
        assert [each.findtext(BODY) for each in messages] == [None, "/me took it back"]
        assert messages[0].find(f"{{{RETRACT}}}retracted") is not None

    @pytest.mark.one_process(reason="looks into the database")
    def test_off_the_record(self, service: Service) -> None:
        """What waits without being archived goes as well."""
        alice = service.bind("alice")
        say(alice, BOB, SECRET, "m1", "<no-permanent-store xmlns='urn:xmpp:hints'/>")
        retract(alice, BOB, "m1")
        assert not holds(service, SECRET)

    def test_corrections_go_with_it(self, service: Service) -> None:
        """A correction holds the text as well; of another message it stays."""
        alice = service.bind("alice")
        replace = "<replace xmlns='urn:xmpp:message-correct:0' id=\"m1\"/>"
        say(alice, BOB, SECRET, "m1")
        say(alice, BOB, f"{SECRET}!", "m2", replace)
        say(alice, BOB, "another", "m3", replace.replace("m1", "m0"))
        retract(alice, BOB, "m1")
        assert archive(alice).texts == [None, None, "another", "/me took it back"]

    def test_only_the_recipient_archives(self, service: Service) -> None:
        """It is found in the archive of the other side when the author keeps none."""
        alice, bob = service.bind("alice"), service.bind("bob")
        alice.write("<iq type='set' id='p'><prefs xmlns='urn:xmpp:mam:2' default='never'/></iq>")
        say(alice, BOB, SECRET, "m1")
        retract(alice, BOB, "m1")
        assert archive(bob).texts[0] is None
        assert archive(alice).ids == []


class TestSection61:
    """6.1. Using the correct id."""

    def test_of_two_the_later(self, service: Service) -> None:
        """Two messages under one id: the author means the one they see last."""
        alice = service.bind("alice")
        for text in ("first", "second"):
            say(alice, BOB, text, "m1")
        retract(alice, BOB, "m1")
        assert archive(alice).texts == ["first", None, "/me took it back"]

    @pytest.mark.one_process(reason="a limit is made small")
    def test_far_back(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is looked for in steps, until it is found; and not beyond the reach."""
        monkeypatch.setattr("raftline.machine.history.retraction.RETRACTION_SEARCH_ROW_COUNT_MAX", 2)
        alice, bob = service.bind("alice"), service.bind("bob")
        bob.write("<presence/>")
        say(alice, BOB, SECRET, "m1")
        for number in range(6):
            say(alice, BOB, str(number), f"n{number}")
        monkeypatch.setattr(retraction, "_STEP_COUNT_MAX", 3)
        retract(alice, BOB, "m1", "r1")
        assert archive(alice).texts[0] == SECRET
        monkeypatch.setattr(retraction, "_STEP_COUNT_MAX", 4)
        retract(alice, BOB, "m1", "r2")
        assert archive(alice).texts[0] is None

    def test_unknown_ids(self, service: Service) -> None:
        """A retraction of nothing is a message like any other."""
        alice = service.bind("alice")
        say(alice, BOB, "stays", "m1")
        retract(alice, BOB, "m2")
        assert archive(alice, field("with", BOB)).texts == ["stays", "/me took it back"]
