"""XEP-0401 Ad-hoc Account Invitation Generation, and as much of XEP-0379 as it needs, over the real state machine."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from raftline.base.limits import ACCOUNT_INVITE_COUNT_MAX, INVITE_LIFETIME_MS
from raftline.base.timestamps import format_timestamp
from raftline.machine.commands import CreateAccount, KeyOrigin, RegisterByInvite
from raftline.machine.outcomes import Done, Outcome
from raftline.xmpp.catalog import all_modules
from raftline.xmpp.invites import contact_link, digest_of, registration_link
from xmpp_im.playbook import DOMAIN, tree
from xmpp_im.service import Client, Service

COMMANDS = "http://jabber.org/protocol/commands"
NS = f"{{{COMMANDS}}}"
INVITE, CREATE = "urn:xmpp:invite#invite", "urn:xmpp:invite#create-account"
FIELD, VALUE = "{jabber:x:data}field", "{jabber:x:data}value"
ROSTER = "{jabber:iq:roster}"


@pytest.fixture
def service() -> Service:
    """Romeo, Juliet, and Anna, who administers."""
    return Service("romeo", "juliet", "anna", administrators=(f"anna@{DOMAIN}",))


@pytest.fixture
def romeo(service: Service) -> Client:
    return service.bind("romeo")


def command(client: Client, node: str, attributes: str = "", form: str = "") -> ET.Element:
    """Send one request of a command; its answer."""
    client.take()
    inner = f"<command xmlns='{COMMANDS}' node='{node}' {attributes}>{form}</command>"
    client.write(f"<iq type='set' id='c' to='{DOMAIN}'>{inner}</iq>")
    return next(answer for answer in map(tree, client.take()) if answer.get("id") == "c")


def create(client: Client, **fields: str) -> ET.Element:
    """Go through the command for administrators; the last answer. A `_` in names stands for `-`."""
    begun = command(client, CREATE)
    assert begun.get("type") == "result", ET.tostring(begun)
    written = "".join(
        f"<field var='{name.replace('_', '-')}'><value>{value}</value></field>" for name, value in fields.items()
    )
    form = f"<x xmlns='jabber:x:data' type='submit'>{written}</x>"
    return command(client, CREATE, f"sessionid='{begun[0].get('sessionid')}'", form)


def result(answer: ET.Element) -> dict[str, str]:
    """The fields that a finished command tells."""
    assert answer.get("type") == "result", ET.tostring(answer)
    assert answer[0].get("status") == "completed"
    return {field.get("var") or "": field.findtext(VALUE) or "" for field in answer.iter(FIELD)}


def conditions(answer: ET.Element) -> list[str]:
    assert answer.get("type") == "error", ET.tostring(answer)
    return [child.tag.rpartition("}")[2] for child in answer[-1] if not child.tag.endswith("text")]


def token_of(link: str) -> str:
    found = re.search(r"preauth=([0-9a-z]+)", link)
    assert found is not None, link
    return found[1]


def register(service: Service, localpart: str, link: str) -> Outcome:
    """Open an account by a link, as a stream does (test_xep_0445.py)."""
    return service.apply(RegisterByInvite(localpart, (), digest_of(token_of(link))), KeyOrigin(service.key()))


def contacts(client: Client) -> dict[str, str]:
    """Subscriptions by contact."""
    client.take()
    client.write("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    answer = next(answer for answer in map(tree, client.take()) if answer.get("id") == "r")
    return {item.get("jid") or "": item.get("subscription") or "" for item in answer.iter(f"{ROSTER}item")}


class TestSection3Discovery:
    """Section 3: who sees which command."""

    def listed(self, client: Client) -> set[str]:
        client.take()
        query = f"<query xmlns='http://jabber.org/protocol/disco#items' node='{COMMANDS}'/>"
        client.write(f"<iq type='get' id='i' to='{DOMAIN}'>{query}</iq>")
        return {item.get("node") or "" for item in tree(client.take()[-1])[0]} & {INVITE, CREATE}

    def test_the_commands(self, service: Service, romeo: Client) -> None:
        """Everyone may invite friends, administrators new users."""
        assert self.listed(romeo) == {INVITE}
        assert self.listed(service.bind("anna")) == {INVITE, CREATE}


class TestSection51UserInvitation:
    """Section 5.1: a user invites a friend."""

    @pytest.mark.one_process(reason="a clock that moves with each command")
    def test_a_link_at_once(self, service: Service, romeo: Client) -> None:
        """The first answer is the last: the link, and when it expires."""
        told = result(command(romeo, INVITE))
        assert told["FORM_TYPE"] == "urn:xmpp:invite#invitation"
        assert re.fullmatch(rf"xmpp:romeo@{DOMAIN}\?roster;preauth=[0-9a-z]+;ibr=y", told["uri"])
        assert told["expire"] == format_timestamp(service.time_ms + INVITE_LIFETIME_MS)

    @pytest.mark.one_process(reason="a setting of the test")
    def test_a_landing_page(self) -> None:
        """Where browsers reach the node by HTTPS there is one; what it shows is not sent to the server."""
        service = Service("romeo")
        service.modules = all_modules(page_url="https://one.example.org:5443")
        told = result(command(service.bind("romeo"), INVITE))
        assert told["landing-url"] == f"https://one.example.org:5443/invite/#{told['uri'].removeprefix('xmpp:')}"

    def test_without_https(self, romeo: Client) -> None:
        """Elsewhere the field is left out."""
        assert set(result(command(romeo, INVITE))) == {"FORM_TYPE", "uri", "expire"}

    def test_tokens_differ(self, romeo: Client) -> None:
        """Each invitation has a token of its own."""
        links = {result(command(romeo, INVITE))["uri"] for _ in range(3)}
        assert len(links) == 3

    @pytest.mark.one_process(reason="a setting of the test")
    def test_where_users_register_nobody(self) -> None:
        """Without permission `ibr` is left out, and the token opens no account."""
        service = Service("romeo")
        service.modules = all_modules(users_register=False)
        romeo = service.bind("romeo")
        link = result(command(romeo, INVITE))["uri"]
        assert re.fullmatch(rf"xmpp:romeo@{DOMAIN}\?roster;preauth=[0-9a-z]+", link)
        assert register(service, "juliet", link) != Done()

    def test_too_many(self, romeo: Client) -> None:
        """Beyond the limit it is resource-constraint."""
        for _ in range(ACCOUNT_INVITE_COUNT_MAX):
            result(command(romeo, INVITE))
        assert conditions(command(romeo, INVITE)) == ["resource-constraint"]

    def test_links_of_odd_names(self) -> None:
        """What has a meaning in a link is escaped in names (RFC 5122 section 2.2)."""
        assert contact_link(DOMAIN, "a?b;c&d", "t", registers=False) == f"xmpp:a%3Fb%3Bc%26d@{DOMAIN}?roster;preauth=t"
        assert registration_link(DOMAIN, "jürgen", "t") == f"xmpp:j%C3%BCrgen@{DOMAIN}?register;preauth=t"


class TestSection53Redeeming:
    """Section 5.3: the friend has an account, or opens one."""

    def test_with_an_account(self, service: Service, romeo: Client) -> None:
        """A request that shows the token is granted; Romeo asks in turn, and both see each other (XEP-0379)."""
        juliet = service.bind("juliet")
        contacts(romeo), contacts(juliet)
        romeo.write("<presence/>")
        juliet.write("<presence/>")
        token = token_of(result(command(romeo, INVITE))["uri"])
        preauth = f"<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>"
        juliet.take()
        juliet.write(f"<presence to='romeo@{DOMAIN}' type='subscribe'>{preauth}</presence>")
        kinds = [stanza.get("type") for stanza in map(tree, juliet.take()) if stanza.tag == "{jabber:client}presence"]
        assert kinds == ["subscribed", None, "subscribe"]
        assert [stanza.get("type") for stanza in map(tree, romeo.take())] == ["set"], "a roster push and no question"
        juliet.write(f"<presence to='romeo@{DOMAIN}' type='subscribed'/>")
        assert contacts(romeo) == {f"juliet@{DOMAIN}": "both"}
        assert contacts(juliet) == {f"romeo@{DOMAIN}": "both"}

    @pytest.mark.parametrize("preauth", ["token='nonsense'", "token=''", "", f"token='{'x' * 1000}'"])
    def test_a_token_of_nobody(self, service: Service, romeo: Client, preauth: str) -> None:
        """XEP-0379 section 4.1: it is ignored; the request reaches Romeo with its token, which may be his client's."""
        romeo.write("<presence/>")
        juliet = service.bind("juliet")
        romeo.take()
        element = f"<preauth xmlns='urn:xmpp:pars:0' {preauth}/>"
        juliet.write(f"<presence to='romeo@{DOMAIN}' type='subscribe'>{element}</presence>")
        [request] = map(tree, romeo.take())
        assert request.get("type") == "subscribe"
        assert request.find("{urn:xmpp:pars:0}preauth") is not None
        assert contacts(juliet) == {f"romeo@{DOMAIN}": "none"}

    @pytest.mark.one_process(reason="an account is made without a stream")
    def test_without_an_account(self, service: Service, romeo: Client) -> None:
        """Section 5.5: the newcomer is Romeo's contact, and a roster push tells Romeo at once."""
        contacts(romeo)
        link = result(command(romeo, INVITE))["uri"]
        romeo.take()
        assert register(service, "rosaline", link) == Done()
        [push] = map(tree, romeo.take())
        item = push.find(f"{ROSTER}query/{ROSTER}item")
        assert item is not None
        assert (push.get("type"), item.attrib) == ("set", {"jid": f"rosaline@{DOMAIN}", "subscription": "both"})
        assert contacts(service.bind("rosaline")) == {f"romeo@{DOMAIN}": "both"}
        assert register(service, "nurse", link) != Done()


class TestSection54AccountCreation:
    """Section 5.4: an administrator invites a new user."""

    def test_the_form(self, service: Service) -> None:
        """It asks for a name and whether to become contacts; neither has to be given."""
        begun = command(service.bind("anna"), CREATE)
        assert begun[0].get("status") == "executing"
        fields = {field.get("var"): field.get("type") for field in begun.iter(FIELD)}
        assert fields == {"username": "text-single", "roster-subscription": "boolean"}
        assert not list(begun.iter("{jabber:x:data}required"))

    @pytest.mark.one_process(reason="an account is made without a stream")
    def test_under_a_name(self, service: Service) -> None:
        """The link names the account, which is not made before somebody registers it; the name is prepared."""
        told = result(create(service.bind("anna"), username="Rosaline"))
        assert re.fullmatch(rf"xmpp:rosaline@{DOMAIN}\?register;preauth=[0-9a-z]+", told["uri"])
        assert told["FORM_TYPE"] == "urn:xmpp:invite#invitation"
        assert told["expire"] == format_timestamp(service.time_ms + INVITE_LIFETIME_MS)
        assert register(service, "nurse", told["uri"]) != Done()
        assert register(service, "rosaline", told["uri"]) == Done()

    @pytest.mark.one_process(reason="an account is made without a stream")
    def test_under_any_name(self, service: Service) -> None:
        """Without a name the link has none, and without the wish nobody becomes a contact."""
        anna = service.bind("anna")
        told = result(create(anna, username=""))
        assert re.fullmatch(rf"xmpp:{DOMAIN}\?register;preauth=[0-9a-z]+", told["uri"])
        assert register(service, "nurse", told["uri"]) == Done()
        assert contacts(anna) == {}

    @pytest.mark.one_process(reason="an account is made without a stream")
    def test_becoming_contacts(self, service: Service) -> None:
        """With it the new account and the administrator are contacts."""
        anna = service.bind("anna")
        told = result(create(anna, username="nurse", roster_subscription="1"))
        assert register(service, "nurse", told["uri"]) == Done()
        assert contacts(anna) == {f"nurse@{DOMAIN}": "both"}

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({"username": "a b@c"}, ["bad-request", "bad-payload"]),
            ({"roster_subscription": "maybe"}, ["bad-request", "bad-payload"]),
            ({"username": "romeo"}, ["conflict"]),
        ],
    )
    def test_refused(self, service: Service, fields: dict[str, str], expected: list[str]) -> None:
        """A name that cannot be one, a form that cannot be read, a name that is taken."""
        assert conditions(create(service.bind("anna"), **fields)) == expected

    def test_others(self, romeo: Client) -> None:
        """Who is no administrator may not."""
        assert conditions(command(romeo, CREATE)) == ["forbidden"]


class TestSection62AccountCreation:
    """Section 6.2: the name is kept."""

    @pytest.mark.one_process(reason="an account is made without a stream")
    def test_the_name_is_kept(self, service: Service) -> None:
        """Nobody else gets it while the invitation is open."""
        anna = service.bind("anna")
        link = result(create(anna, username="nurse"))["uri"]
        assert conditions(create(anna, username="nurse")) == ["conflict"]
        assert service.apply(CreateAccount("nurse", ()), KeyOrigin(service.key())) != Done()
        assert register(service, "nurse", link) == Done()
