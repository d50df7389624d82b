"""XEP-0441 Message Archive Management Preferences, by section, over the real state machine."""

from __future__ import annotations

import pytest

from raftline.base.limits import ARCHIVE_RULE_COUNT_MAX
from xmpp_im.conversations import archive, error_of, say, take
from xmpp_im.service import Client, Service

ALICE, BOB, CAROL = "alice@example.org", "bob@example.org", "carol@example.org"
PREFS = "<prefs xmlns='urn:xmpp:mam:2'{}>{}</prefs>"
Shown = tuple[str | None, list[str | None], list[str | None]]


@pytest.fixture
def service() -> Service:
    """A service of three people."""
    return Service("alice", "bob", "carol")


def listed(name: str, *jids: str) -> str:
    """Write one of the lists."""
    return f"<{name}>{''.join(f'<jid>{jid}</jid>' for jid in jids)}</{name}>"


def prefer(client: Client, default: str | None, *lists: str, to: str = "") -> Shown | str:
    """Set preferences; returns what holds then, or the condition of the error."""
    attributes = "" if default is None else f" default='{default}'"
    client.take()
    client.write(f"<iq type='set' id='s'{to}>{PREFS.format(attributes, ''.join(lists))}</iq>")
    return shown(client)


def shown(client: Client) -> Shown | str:
    """Read preferences in an answer."""
    if b"type='error'" in client.sent[-1]:
        return error_of(client)
    [*_, reply] = take(client)
    [prefs] = reply
    always, never = ([jid.text for jid in entry] for entry in prefs)
    assert [entry.tag for entry in prefs] == ["{urn:xmpp:mam:2}always", "{urn:xmpp:mam:2}never"]
    return prefs.get("default"), always, never


def texts(client: Client) -> list[str | None]:
    """What the own archive holds."""
    return archive(client).texts


class TestSection21:
    """2.1. Simple configuration."""

    def test_before_any_were_set(self, service: Service) -> None:
        """Everything is archived; both lists are there and empty."""
        alice = service.bind("alice")
        alice.write(f"<iq type='get' id='g'>{PREFS.format('', '')}</iq>")
        assert shown(alice) == ("always", [], [])

    def test_set_and_get(self, service: Service) -> None:
        """The answer to a set is what holds, prepared and each once; it replaces what was set before."""
        alice = service.bind("alice")
        first = prefer(alice, "roster", listed("always", "BOB@example.org", BOB), listed("never", f"{CAROL}/Desk"))
        assert first == ("roster", [BOB], [f"{CAROL}/Desk"])
        desk = service.bind("alice", "desk")
        desk.write(f"<iq type='get' id='g' to='{ALICE}'>{PREFS.format('', '')}</iq>")
        assert shown(desk) == first
        assert prefer(alice, "never") == ("never", [], [])

    def test_in_both_lists(self, service: Service) -> None:
        """It is never archived, and the answer says so."""
        alice = service.bind("alice")
        assert prefer(alice, "always", listed("always", BOB), listed("never", BOB)) == ("always", [], [BOB])

    @pytest.mark.parametrize("default", [None, "", "sometimes", "ALWAYS"])
    def test_bad_defaults(self, service: Service, default: str | None) -> None:
        """2.1.1: it must be one of three words."""
        assert prefer(service.bind("alice"), default) == "bad-request"

    def test_bad_addresses(self, service: Service) -> None:
        """What is no address is refused, and nothing changes."""
        alice = service.bind("alice")
        assert prefer(alice, "never", listed("always", "a@b@c")) == "jid-malformed"
        alice.write(f"<iq type='get' id='g'>{PREFS.format('', '')}</iq>")
        assert shown(alice) == ("always", [], [])

    def test_of_others(self, service: Service) -> None:
        """Nobody reads or sets another's."""
        alice = service.bind("alice")
        assert prefer(alice, "never", to=f" to='{BOB}'") == "forbidden"
        alice.write(f"<iq type='get' id='g' to='{BOB}'>{PREFS.format('', '')}</iq>")
        assert error_of(alice) == "forbidden"

    def test_number_of_addresses(self, service: Service) -> None:
        """As many as are allowed, and not one more."""
        alice = service.bind("alice")
        jids = [f"u{number}@example.org" for number in range(ARCHIVE_RULE_COUNT_MAX + 1)]
        result = prefer(alice, "always", listed("never", *jids[:-1]))
        assert isinstance(result, tuple)
        assert len(result[2]) == ARCHIVE_RULE_COUNT_MAX
        assert prefer(alice, "always", listed("never", *jids)) == "resource-constraint"


class TestSection211:
    """2.1.1. Default behaviour."""

    def test_always_and_never(self, service: Service) -> None:
        """They count from when they were set, for both directions, and for one side alone."""
        alice, bob = service.bind("alice"), service.bind("bob")
        say(alice, BOB, "1")
        prefer(alice, "never")
        say(alice, BOB, "2")
        say(bob, ALICE, "3")
        prefer(alice, "always")
        say(bob, ALICE, "4")
        assert texts(alice) == ["1", "4"]
        assert texts(bob) == ["1", "2", "3", "4"]

    def test_roster(self, service: Service) -> None:
        """Those whose bare address is in the roster."""
        alice, bob, carol = service.bind("alice"), service.bind("bob"), service.bind("carol")
        alice.write(f"<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='{BOB}'/></query></iq>")
        prefer(alice, "roster")
        say(bob, f"{ALICE}/phone", "from bob")
        say(carol, ALICE, "from carol")
        say(alice, f"{CAROL}/phone", "to carol")
        say(alice, f"{BOB}/phone", "to bob")
        assert texts(alice) == ["from bob", "to bob"]


class TestSection23:
    """2.3. JID matching."""

    def test_bare_addresses(self, service: Service) -> None:
        """A bare address stands for all resources; a list goes before the default."""
        alice, bob, carol = service.bind("alice"), service.bind("bob", "desk"), service.bind("carol")
        prefer(alice, "never", listed("always", BOB))
        say(bob, ALICE, "1")
        say(alice, f"{BOB}/desk", "2")
        say(carol, ALICE, "3")
        assert texts(alice) == ["1", "2"]

    def test_full_addresses(self, service: Service) -> None:
        """A full address stands for itself, and goes before the bare one."""
        alice, desk, phone = service.bind("alice"), service.bind("bob", "desk"), service.bind("bob")
        prefer(alice, "always", listed("never", BOB), listed("always", f"{BOB}/desk"))
        say(desk, ALICE, "from desk")
        say(phone, ALICE, "from phone")
        say(alice, f"{BOB}/desk", "to desk")
        say(alice, BOB, "to bob")
        assert texts(alice) == ["from desk", "to desk"]


class TestDelivery:
    """What is not archived arrives all the same (XEP-0313 section 3.5, XEP-0160)."""

    def test_without_an_archive_id(self, service: Service) -> None:
        """A message that the recipient does not archive bears no id of an archive."""
        alice, bob = service.bind("alice"), service.bind("bob")
        bob.write("<presence/>")
        prefer(bob, "never")
        bob.take()
        say(alice, BOB, "hi")
        [message] = take(bob)
        assert message.find("{urn:xmpp:sid:0}stanza-id") is None
        assert texts(alice) == ["hi"]

    @pytest.mark.one_process(reason="looks into the database")
    def test_offline(self, service: Service) -> None:
        """It waits, is delivered once, and is gone then if nobody archives it."""
        alice, bob = service.bind("alice"), service.bind("bob")
        for client in (alice, bob):
            prefer(client, "never")
        bob.end()
        say(alice, BOB, "hi")
        again = service.bind("bob")
        again.write("<presence/>")
        assert len([message for message in take(again) if message.tag.endswith("}message")]) == 1
        service.machine.commit()
        assert service.machine._database.execute("SELECT count(*) FROM message").fetchone() == (0,)

    def test_notes_to_oneself(self, service: Service) -> None:
        """An account that writes to itself has one side, whatever its rules say of its own resources."""
        phone = service.bind("alice")
        phone.write("<presence/>")
        prefer(phone, "always", listed("never", f"{ALICE}/desk"))
        say(phone, f"{ALICE}/desk", "not kept")
        say(phone, ALICE, "kept")
        assert texts(phone) == ["kept"]
