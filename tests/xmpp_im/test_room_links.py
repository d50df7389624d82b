"""Invitations to rooms by link (docs/rooms.md): made by a command, shown on entering, registering, with an account."""

from __future__ import annotations

import re

import pytest

from raftline.base.limits import INVITE_LIFETIME_MAX_MS, INVITE_LIFETIME_MS, ROOM_INVITE_USE_COUNT_MAX
from raftline.base.timestamps import format_timestamp
from raftline.machine.commands import KeyOrigin, RegisterByInvite
from raftline.machine.outcomes import Done
from raftline.xmpp.catalog import all_modules
from raftline.xmpp.invites import digest_of, room_link
from xmpp_im.playbook import DOMAIN
from xmpp_im.room_commands import COMMANDS, ROOMS, command, rows, submit, told
from xmpp_im.rooms import (
    CLIENT,
    HOST,
    INFO,
    ITEMS,
    MUC,
    ROOM,
    admin,
    condition,
    features,
    form_values,
    iq,
    item,
    join,
    leave,
    make_room,
    take,
)
from xmpp_im.service import Client, Service

CLOSED = (("muc#roomconfig_membersonly", "1"), ("muc#roomconfig_persistentroom", "1"))
REGISTER = "jabber:iq:register"
NO_GOOD = f"{{{ROOMS}}}invalid-invitation"


@pytest.fixture
def service() -> Service:
    return Service("alice", "bob", "carol")


@pytest.fixture
def alice(service: Service) -> Client:
    """Who owns a members-only room."""
    client = service.bind("alice")
    make_room(client, "alice", *CLOSED)
    return client


@pytest.fixture
def bob(service: Service) -> Client:
    return service.bind("bob")


def token_of(link: str) -> str:
    found = re.search(r";preauth=([0-9a-zA-Z-]+)", link)
    assert found is not None, link
    return found[1]


def show(token: str) -> str:
    return f"<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>"


def register(client: Client, nick: str, token: str = "") -> str:
    """Register with the room; how it ended."""
    form = (
        f"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>{MUC}#register</value></field>"
        f"<field var='muc#register_roomnick'><value>{nick}</value></field></x>"
    )
    answer = iq(client, "set", f"<query xmlns='{REGISTER}'>{show(token) if token else ''}{form}</query>")
    return condition(answer)[0] if answer.get("type") == "error" else "done"


class TestMaking:
    """The commands."""

    def listed(self, client: Client) -> list[str]:
        answer = iq(client, "get", f"<query xmlns='{ITEMS}' node='{COMMANDS}'/>")
        assert {entry.get("jid") for entry in answer[0]} <= {ROOM}
        return [(entry.get("node") or "").removeprefix(f"{ROOMS}#") for entry in answer[0]]

    def test_who_sees_them(self, alice: Client, bob: Client) -> None:
        """Admins and owners; members where the room lets them invite; the room announces commands and tokens."""
        assert {"invite", "invitations", "revoke"} <= set(self.listed(alice))
        assert self.listed(bob) == []
        admin(alice, f"<item jid='bob@{DOMAIN}' affiliation='member'/>")
        assert {"invite", "invitations", "revoke"} <= set(self.listed(bob))
        info = iq(bob, "get", f"<query xmlns='{INFO}'/>")
        assert {COMMANDS, "urn:xmpp:pars:0"} <= features(info)

    def test_they_are_described(self, alice: Client, bob: Client) -> None:
        """Service discovery of the list, of each, and not of those of others."""
        answer = iq(alice, "get", f"<query xmlns='{INFO}' node='{COMMANDS}'/>")
        assert answer[0][0].attrib["type"] == "command-list"
        answer = iq(alice, "get", f"<query xmlns='{INFO}' node='{ROOMS}#invite'/>")
        assert answer[0][0].attrib["type"] == "command-node"
        assert condition(iq(bob, "get", f"<query xmlns='{INFO}' node='{ROOMS}#invite'/>"))[0] == "forbidden"
        assert condition(iq(bob, "get", f"<query xmlns='{INFO}' node='{ROOMS}#nothing'/>"))[0] == "item-not-found"

    @pytest.mark.one_process(reason="a clock that moves with each command")
    def test_a_link(self, service: Service, alice: Client) -> None:
        """What is left as it is makes a link for one person and a week, in the form of XEP-0401."""
        answer = told(submit(alice, "invite"))
        assert set(answer) == {"FORM_TYPE", "uri", "expire"}
        assert answer["FORM_TYPE"] == "urn:xmpp:invite#invitation"
        assert re.fullmatch(rf"xmpp:coven@{HOST}\?join;preauth=[0-9a-z]+", answer["uri"])
        assert answer["expire"] == format_timestamp(service.time_ms + INVITE_LIFETIME_MS)
        [listed] = rows(command(alice, "invitations"))
        assert (listed["inviter"], listed["uses"], listed["register"]) == (f"alice@{DOMAIN}", "1", "0")

    def test_for_who_has_no_account(self, alice: Client) -> None:
        """A second link opens one by the same token; the first says that it may."""
        answer = told(submit(alice, "invite", register="1", uses="3", lifetime="3600"))
        token = token_of(answer["uri"])
        assert answer["uri"] == f"xmpp:coven@{HOST}?join;preauth={token};ibr=y"
        assert answer["register-uri"] == f"xmpp:{DOMAIN}?register;preauth={token}"
        [listed] = rows(command(alice, "invitations"))
        assert (listed["uses"], listed["register"]) == ("3", "1")

    @pytest.mark.one_process(reason="a setting of the test")
    def test_where_users_register_nobody(self) -> None:
        """The link makes members, and opens no account; where there is a page it is told."""
        service = Service("alice")
        service.modules = all_modules(users_register=False, page_url="https://one.example.org:5443")
        alice = service.bind("alice")
        make_room(alice, "alice", *CLOSED)
        answer = told(submit(alice, "invite", register="1"))
        assert set(answer) == {"FORM_TYPE", "uri", "landing-url", "expire"}
        assert answer["landing-url"] == f"https://one.example.org:5443/invite/#{answer['uri'].removeprefix('xmpp:')}"
        outcome = service.apply(RegisterByInvite("dora", (), digest_of(token_of(answer["uri"]))), KeyOrigin(b"k" * 16))
        assert outcome != Done()

    @pytest.mark.parametrize(
        ("name", "value", "is_good"),
        [
            ("uses", str(ROOM_INVITE_USE_COUNT_MAX), True),
            ("uses", str(ROOM_INVITE_USE_COUNT_MAX + 1), False),
            ("uses", "0", False),
            ("uses", "many", False),
            ("lifetime", "60", True),
            ("lifetime", "59", False),
            ("lifetime", str(INVITE_LIFETIME_MAX_MS // 1000), True),
            ("lifetime", str(INVITE_LIFETIME_MAX_MS // 1000 + 1), False),
            ("register", "perhaps", False),
        ],
    )
    def test_fields(self, alice: Client, name: str, value: str, is_good: bool) -> None:
        """A field that cannot be is `bad-request`, with the condition of XEP-0050."""
        answer = submit(alice, "invite", **{name: value})
        assert answer.get("type") == ("result" if is_good else "error")
        if not is_good:
            assert condition(answer) == ("bad-request", "modify")
            assert answer.find(f"{CLIENT}error/{{{COMMANDS}}}bad-payload") is not None

    def test_not_everyone(self, alice: Client, bob: Client) -> None:
        """Who may not invite is `forbidden`; where there is no room it is `item-not-found`."""
        assert condition(submit(bob, "invite")) == ("forbidden", "auth")
        assert condition(submit(bob, "invite", room=f"nowhere@{HOST}")) == ("item-not-found", "cancel")
        assert condition(command(alice, "nothing")) == ("item-not-found", "cancel")

    def test_taken_back(self, alice: Client, bob: Client) -> None:
        """By the id that is listed; then the link is good for nothing."""
        link = told(submit(alice, "invite"))["uri"]
        [listed] = rows(command(alice, "invitations"))
        assert listed["id"] not in link
        assert submit(alice, "revoke", id=listed["id"]).get("type") == "result"
        assert condition(submit(alice, "revoke", id=listed["id"])) == ("item-not-found", "cancel")
        assert condition(submit(alice, "revoke", id="none")) == ("item-not-found", "cancel")
        assert rows(command(alice, "invitations")) == []
        [refused] = join(bob, "bob", also=show(token_of(link)))
        assert condition(refused) == ("registration-required", "auth")

    def test_odd_names(self) -> None:
        """What has a meaning in a link is escaped in names."""
        assert room_link(HOST, "a?b", "t", registers=True) == f"xmpp:a%3Fb@{HOST}?join;preauth=t;ibr=y"


class TestRedeeming:
    """Tokens that are shown."""

    def test_on_entering(self, service: Service, alice: Client, bob: Client) -> None:
        """Who enters is a member; nobody sees the token; the next one is told that it is no good."""
        token = token_of(told(submit(alice, "invite"))["uri"])
        take(alice)
        inside = join(bob, "bob", also=show(token))
        assert item(inside[1]).get("affiliation") == "member"
        for client in (alice, bob):
            assert all(token not in str(stanza.attrib) for one in take(client) for stanza in one.iter())
        assert all(token not in str(one.attrib) for stanza in inside for one in stanza.iter())
        [refused] = join(service.bind("carol"), "carol", also=show(token))
        assert condition(refused) == ("registration-required", "auth")
        assert refused.find(f"{CLIENT}error/{NO_GOOD}") is not None
        leave(bob, "bob")
        assert len(join(bob, "bob")) > 1

    @pytest.mark.parametrize("token", ["", "x" * 129, "0" * 24])
    def test_no_token(self, alice: Client, bob: Client, token: str) -> None:
        """What cannot be a token, or is none of ours, is as none."""
        [refused] = join(bob, "bob", also=show(token))
        assert condition(refused) == ("registration-required", "auth")

    def test_on_registering(self, service: Service, alice: Client, bob: Client) -> None:
        """Section 7.10 of XEP-0045 with a token; without one members are made by admins."""
        token = token_of(told(submit(alice, "invite"))["uri"])
        assert register(bob, "bob") == "not-allowed"
        assert register(bob, "bob", "0" * 24) == "not-allowed"
        assert register(bob, "alice", token) == "conflict"
        assert register(bob, "bob", token) == "done"
        assert register(service.bind("carol"), "carol", token) == "not-allowed"
        listed = iq(alice, "get", f"<query xmlns='{MUC}#admin'><item affiliation='member'/></query>")
        assert [(entry.get("jid"), entry.get("nick")) for entry in listed[0]] == [(f"bob@{DOMAIN}", "bob")]

    @pytest.mark.one_process(reason="an account is opened without a stream")
    def test_by_opening_an_account(self, service: Service, alice: Client) -> None:
        """A newcomer is a member at once and enters without a token."""
        token = token_of(told(submit(alice, "invite", register="1"))["uri"])
        outcome = service.apply(RegisterByInvite("dora", (), digest_of(token)), KeyOrigin(service.key()))
        assert outcome == Done()
        inside = join(service.bind("dora"), "dora")
        assert item(inside[1]).get("affiliation") == "member"

    def test_the_form_is_for_those_who_may(self, alice: Client, bob: Client) -> None:
        """The registration form is shown to who is let in or has a token, `not-allowed` to others."""
        shown = iq(bob, "get", f"<query xmlns='{REGISTER}'>{show('0' * 24)}</query>")
        assert "muc#register_roomnick" in form_values(shown)
        assert condition(iq(bob, "get", f"<query xmlns='{REGISTER}'/>")) == ("not-allowed", "cancel")
        assert "muc#register_roomnick" in form_values(iq(alice, "get", f"<query xmlns='{REGISTER}'/>"))
