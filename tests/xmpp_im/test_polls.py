"""Polls, an extension of our own (docs/polls.md), by its sections, on the real state machine."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from raftline.base.limits import POLL_OPTION_COUNT_MAX, POLL_TITLE_SIZE_MAX
from xmpp_im.conversations import archive, take
from xmpp_im.inbox import entry_of
from xmpp_im.nodes import INFO, online
from xmpp_im.polls import ALICE, BOB, POLLS, ask, news, poll, reason, request, send, tally, vote, votes
from xmpp_im.rooms import ROOM, admin, condition, features, iq, owner_form
from xmpp_im.service import Client, Service

BODY = "{jabber:client}body"
OWN = ""
"""Requests about a chat go to the user's own account."""


def options(count: int) -> str:
    """Write so many options."""
    return "".join(f"<option>{number}</option>" for number in range(count))


def close(client: Client, poll_id: str, to: str = ROOM) -> ET.Element:
    """End a poll."""
    return request(client, "set", f"<close xmlns='{POLLS}' poll='{poll_id}'/>", to)


class TestDiscovery:
    """Where it is announced."""

    def test_features(self, service: Service, alice: Client) -> None:
        """By rooms, and by the user's own account."""
        assert POLLS in features(iq(alice, "get", f"<query xmlns='{INFO}'/>"))
        alice.write(f"<iq type='get' id='d'><query xmlns='{INFO}'/></iq>")
        assert POLLS.encode() in b"".join(alice.take())


class TestAsking:
    """A poll is a message."""

    def test_in_a_room(self, alice: Client, bob: Client) -> None:
        """Everyone gets the message as it is; its id in the room's archive names the poll."""
        poll_id = ask(alice, poll())
        [heard] = take(bob)
        assert heard.findtext(BODY) == "Poll: …"
        assert heard.findtext(f"{{{POLLS}}}poll/{{{POLLS}}}question") == "Where to?"
        stands = tally(bob, poll_id)
        assert votes(stands) == [0, 0]
        assert stands.attrib == {
            "poll": poll_id,
            "message": "m1",
            "state": "open",
            "voters": "0",
            "max-choices": "1",
        }
        assert [option.text for option in stands.findall(f"{{{POLLS}}}option")] == ["Pizza", "Sushi"]

    def test_in_a_chat(self, service: Service, phone: Client) -> None:
        """Both sides know it by the same id; it is a message like others: archived, unread."""
        bob = online(service, "bob")
        take(bob)
        poll_id = ask(phone, poll(), BOB)
        [heard] = take(bob)
        found = heard.find("{urn:xmpp:sid:0}stanza-id")
        assert found is not None
        assert found.get("id") == poll_id == archive(bob).ids[-1]
        assert entry_of(bob, ALICE).unread == 1

    def test_without_a_text(self, alice: Client, bob: Client) -> None:
        """A message without a text is given one, which says that it stands for the poll (XEP-0428)."""
        [own] = send(alice, poll(), body="")
        [heard] = take(bob)
        assert heard.findtext(BODY) == own.findtext(BODY) == "Poll: Where to?\n1. Pizza\n2. Sushi"
        mark = heard.find("{urn:xmpp:fallback:0}fallback")
        assert mark is not None
        assert mark.get("for") == POLLS

    @pytest.mark.parametrize(
        ("payload", "expected"),
        [
            (poll("<question>?</question><option>a</option>"), ("bad-request", "too-few-options")),
            (
                poll(f"<question>?</question>{options(POLL_OPTION_COUNT_MAX + 1)}"),
                ("policy-violation", "too-many-options"),
            ),
            (poll(options(2)), ("bad-request", "no-text")),
            (poll(f"<question>a</question><question>b</question>{options(2)}"), ("bad-request", "unreadable")),
            (
                poll(f"<question>{'x' * (POLL_TITLE_SIZE_MAX + 1)}</question>{options(2)}"),
                ("policy-violation", "too-long"),
            ),
            (poll(attributes="max-choices='many'"), ("bad-request", "unreadable")),
            (poll(attributes="max-choices='3'"), ("bad-request", "bad-choice-count")),
            (poll(attributes="anonymous='perhaps'"), ("bad-request", "unreadable")),
            (poll(attributes="closes='tomorrow'"), ("bad-request", "unreadable")),
            (poll(attributes="closes='1969-01-01T00:00:00Z'"), ("not-acceptable", "bad-end")),
            (poll() + poll(), ("bad-request", "")),
            (poll() + "<replace xmlns='urn:xmpp:message-correct:0' id='m0'/>", ("not-acceptable", "")),
            (poll() + "<no-store xmlns='urn:xmpp:hints'/>", ("not-acceptable", "")),
        ],
    )
    def test_refused(self, alice: Client, bob: Client, payload: str, expected: tuple[str, str]) -> None:
        """Nobody hears of it, and the sender hears why."""
        [reply] = send(alice, payload)
        assert reason(reply) == expected
        assert take(bob) == []

    def test_no_store_in_a_chat(self, service: Service, phone: Client) -> None:
        """What nobody is to keep stays off the log, and is no poll."""
        bob = online(service, "bob")
        take(bob)
        send(phone, poll() + "<no-store xmlns='urn:xmpp:hints'/>", BOB)
        assert len(take(bob)) == 1
        assert (
            request(phone, "get", f"<polls xmlns='{POLLS}' with='{BOB}'/>", OWN)[0].findall(f"{{{POLLS}}}tally") == []
        )

    def test_no_permanent_store(self, service: Service, phone: Client) -> None:
        """What no archive is to keep could not be named."""
        [reply] = send(phone, poll() + "<no-permanent-store xmlns='urn:xmpp:hints'/>", BOB)
        assert condition(reply) == ("not-acceptable", "modify")


class TestVoting:
    """One vote a member, which may change until the end."""

    def test_in_a_room(self, alice: Client, bob: Client) -> None:
        """The last one counts; an empty one takes it back."""
        poll_id = ask(alice, poll())
        assert vote(bob, poll_id, 1).get("type") == "result"
        assert vote(bob, poll_id, 2).get("type") == "result"
        stands = tally(bob, poll_id)
        assert (votes(stands), stands.get("voters")) == ([0, 1], "1")
        assert [option.get("chosen") for option in stands.findall(f"{{{POLLS}}}option")] == [None, "true"]
        assert vote(bob, poll_id).get("type") == "result"
        assert votes(tally(alice, poll_id)) == [0, 0]

    def test_in_a_chat(self, service: Service, phone: Client) -> None:
        """By either side, at the own account."""
        bob = online(service, "bob")
        poll_id = ask(phone, poll(attributes="max-choices='2'"), BOB)
        assert vote(bob, poll_id, 1, 2, to=OWN).get("type") == "result"
        assert vote(phone, poll_id, 2, to=OWN).get("type") == "result"
        assert votes(tally(phone, poll_id, OWN)) == [1, 2]

    @pytest.mark.parametrize("option", ["0", "3", "-1", "first", "١", "1234567"])
    def test_unknown_option(self, alice: Client, option: str) -> None:
        """There is none of this number."""
        assert reason(vote(alice, ask(alice, poll()), option)) == ("item-not-found", "unknown-option")

    def test_too_many_choices(self, alice: Client) -> None:
        """More than the poll allows; more than any poll has."""
        poll_id = ask(alice, poll())
        assert reason(vote(alice, poll_id, 1, 2)) == ("not-acceptable", "too-many-choices")
        assert reason(vote(alice, poll_id, *range(1, 20))) == ("item-not-found", "unknown-option")

    def test_not_a_member(self, service: Service, alice: Client, carol: Client) -> None:
        """Who is neither a member nor there may neither vote nor look; a member who is away may."""
        poll_id = ask(alice, poll())
        assert condition(vote(carol, poll_id, 1)) == ("forbidden", "auth")
        for name in ("tally", "polls"):
            reply = request(carol, "get", f"<{name} xmlns='{POLLS}' poll='{poll_id}'/>")
            assert condition(reply) == ("forbidden", "auth")
        admin(alice, "<item affiliation='member' jid='carol@example.org'/>")
        assert vote(carol, poll_id, 1).get("type") == "result"

    def test_unknown_poll(self, service: Service, alice: Client, bob: Client) -> None:
        """An id of nobody's, of a message that asks nothing, of another conversation, of somebody else's chat."""
        poll_id = ask(alice, poll(), BOB)
        for name in ("", "x", "7-9999999", poll_id):
            assert condition(vote(alice, name, 1)) == ("item-not-found", "cancel")
        carol = online(service, "carol")
        assert condition(vote(carol, poll_id, 1, to=OWN)) == ("item-not-found", "cancel")
        other = "nowhere@conference.example.org"
        alice.write(f"<iq to='{other}' type='set' id='q'><vote xmlns='{POLLS}' poll='{poll_id}'/></iq>")
        assert condition(take(alice)[-1]) == ("item-not-found", "cancel")

    def test_at_another_account(self, phone: Client, carol: Client) -> None:
        """A chat is one's own affair."""
        phone.write(f"<iq to='carol@example.org' type='set' id='q'><vote xmlns='{POLLS}' poll='7-1'/></iq>")
        assert condition(take(phone)[-1]) == ("forbidden", "auth")

    def test_blocked(self, service: Service, phone: Client) -> None:
        """Who has blocked the other is told so; the other one finds nobody there."""
        bob = online(service, "bob")
        poll_id = ask(phone, poll(), BOB)
        phone.write(f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{BOB}'/></block></iq>")
        take(phone)
        assert condition(vote(phone, poll_id, 1, to=OWN)) == ("not-acceptable", "cancel")
        assert condition(vote(bob, poll_id, 1, to=OWN)) == ("service-unavailable", "cancel")


class TestEnd:
    """A poll ends by hand or by its time."""

    def test_by_hand(self, alice: Client, bob: Client) -> None:
        """By its author or a moderator; everyone is told, in words as well."""
        poll_id = ask(bob, poll())
        vote(bob, poll_id, 2)
        take(alice)
        assert close(alice, poll_id).get("type") == "result"
        told = news(bob, "tally")[-1]  # the vote may have been told before
        assert told.get("from") == ROOM
        assert told.findtext(BODY) == "Poll closed: Where to?\nPizza: 0\nSushi: 1"
        assert tally(bob, poll_id).get("state") == "closed"
        assert reason(vote(bob, poll_id, 1)) == ("not-allowed", "closed")

    def test_not_by_others(self, alice: Client, bob: Client) -> None:
        """A poll of somebody else's."""
        assert condition(close(bob, ask(alice, poll()))) == ("forbidden", "auth")

    @pytest.mark.one_process(reason="the clock of the service is set")
    def test_by_time(self, service: Service, alice: Client, bob: Client) -> None:
        """When the time has come that its author set."""
        poll_id = ask(alice, poll(attributes="closes='1970-01-01T01:00:00Z'"))
        assert tally(bob, poll_id).get("closes") == "1970-01-01T01:00:00.000Z"
        vote(bob, poll_id, 1)
        service.pass_time(3600)
        assert [message.find(f"{{{POLLS}}}tally").get("state") for message in news(alice, "tally")] == ["closed"]  # type: ignore[union-attr]
        assert reason(vote(bob, poll_id, 2)) == ("not-allowed", "closed")
        assert votes(tally(alice, poll_id)) == [1, 0]


class TestNews:
    """Who is there is told how it stands."""

    @pytest.mark.one_process(reason="the clock of the service is set")
    def test_in_a_room(self, service: Service, alice: Client, bob: Client) -> None:
        """Once for all votes that came meanwhile; it is no message that anyone keeps."""
        poll_id = ask(alice, poll())
        kept = len(archive(alice).ids)
        service.hurry(900)
        vote(alice, poll_id, 1)
        service.hurry(900)
        vote(bob, poll_id, 2)
        service.pass_time(2)
        for client in (alice, bob):
            [told] = news(client, "tally")
            assert (told.get("from"), told.get("type"), told.find(BODY)) == (ROOM, "groupchat", None)
            stands = told.find(f"{{{POLLS}}}tally")
            assert stands is not None
            assert (votes(stands), stands.get("poll")) == ([1, 1], poll_id)
            assert all(option.get("chosen") is None for option in stands)
        assert len(archive(alice).ids) == kept

    @pytest.mark.one_process(reason="the clock of the service is set")
    def test_in_a_chat(self, service: Service, phone: Client) -> None:
        """From the own account, with the name of the chat."""
        bob = online(service, "bob")
        poll_id = ask(phone, poll(), BOB)
        take(bob)
        vote(bob, poll_id, 1, to=OWN)
        service.pass_time(2)
        for client, own, other in ((phone, ALICE, BOB), (bob, BOB, ALICE)):
            [told] = news(client, "tally")
            stands = told.find(f"{{{POLLS}}}tally")
            assert stands is not None
            assert (told.get("from"), stands.get("with"), votes(stands)) == (own, other, [1, 0])


class TestQuestions:
    """What can be asked: how one stands, who chose what, which there are."""

    def test_who_chose_what(self, alice: Client, bob: Client) -> None:
        """By occupant id, and by address for those who see addresses."""
        poll_id = ask(alice, poll())
        vote(bob, poll_id, 2)
        [seen] = tally(alice, poll_id, attributes="voters='true'").findall(f"{{{POLLS}}}voter")
        [hidden] = tally(bob, poll_id, attributes="voters='true'").findall(f"{{{POLLS}}}voter")
        assert (seen.get("jid"), hidden.get("jid")) == (BOB, None)
        assert seen.get("occupant-id") == hidden.get("occupant-id") != ""
        assert [choice.attrib for choice in seen] == [{"option": "2"}]
        assert tally(alice, poll_id).findall(f"{{{POLLS}}}voter") == []

    def test_anonymous(self, alice: Client, bob: Client) -> None:
        """Nobody learns it, whoever asks."""
        poll_id = ask(alice, poll(attributes="anonymous='true'"))
        vote(bob, poll_id, 2)
        stands = tally(alice, poll_id, attributes="voters='true'")
        assert (stands.get("anonymous"), votes(stands)) == ("true", [0, 1])
        assert stands.findall(f"{{{POLLS}}}voter") == []

    def test_which_there_are(self, alice: Client, bob: Client) -> None:
        """The latest ones unless told otherwise, a page at a time (XEP-0059)."""
        ids = [ask(alice, poll()) for _ in range(3)]

        def listed(paging: str) -> tuple[list[str | None], str | None]:
            inner = f"<set xmlns='http://jabber.org/protocol/rsm'>{paging}</set>"
            reply = request(bob, "get", f"<polls xmlns='{POLLS}'>{inner}</polls>")
            found = [shown.get("poll") for shown in reply[0].findall(f"{{{POLLS}}}tally")]
            return found, reply[0].findtext(".//{http://jabber.org/protocol/rsm}count")

        assert listed("") == (ids, "3")
        assert listed("<max>2</max>") == (ids[1:], "3")
        assert listed(f"<max>2</max><before>{ids[2]}</before>") == (ids[:2], "3")
        assert listed(f"<max>1</max><after>{ids[0]}</after>") == ([ids[1]], "3")
        assert listed("<max>0</max>") == ([], "3")

    def test_of_a_chat(self, service: Service, phone: Client) -> None:
        """Whoever sent it finds its id by that of the message."""
        poll_id = ask(phone, poll(), BOB)
        reply = request(phone, "get", f"<polls xmlns='{POLLS}' with='{BOB}'/>", OWN)
        [stands] = reply[0].findall(f"{{{POLLS}}}tally")
        assert (stands.get("poll"), stands.get("message")) == (poll_id, "m1")
        for partner, expected in (("", "jid-malformed"), ("x@elsewhere.org", "item-not-found")):
            reply = request(phone, "get", f"<polls xmlns='{POLLS}' with='{partner}'/>", OWN)
            assert condition(reply)[0] == expected

    def test_bad_pages(self, alice: Client) -> None:
        """A place that is none, a maximum that is none."""
        for paging, expected in (("<after>x</after>", "item-not-found"), ("<max>x</max>", "bad-request")):
            inner = f"<set xmlns='http://jabber.org/protocol/rsm'>{paging}</set>"
            assert condition(request(alice, "get", f"<polls xmlns='{POLLS}'>{inner}</polls>"))[0] == expected


class TestRetraction:
    """A poll that is taken back is gone."""

    def test_in_a_room(self, alice: Client, bob: Client) -> None:
        """With its message (XEP-0424)."""
        poll_id = ask(alice, poll())
        retract = f"<retract xmlns='urn:xmpp:message-retract:1' id='{poll_id}'/>"
        send(alice, retract, body="<body>gone</body>")
        assert condition(vote(bob, poll_id, 1)) == ("item-not-found", "cancel")

    def test_in_a_room_without_archive(self, service: Service, alice: Client) -> None:
        """Where nothing is kept there are no polls."""
        assert iq(alice, "set", owner_form(("muc#roomconfig_enablelogging", "0"))).get("type") == "result"
        take(alice)
        [reply] = send(alice, poll())
        assert condition(reply) == ("not-acceptable", "modify")
