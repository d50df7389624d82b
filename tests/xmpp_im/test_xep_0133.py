"""XEP-0133 Service Administration, through handlers and state machine, by its sections."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from raftline.base.limits import ADMINISTERED_ACCOUNT_COUNT_MAX
from xmpp_im.playbook import tree
from xmpp_im.service import Client, Service

NS = "{http://jabber.org/protocol/commands}"
ADMIN = "http://jabber.org/protocol/admin"
FIELD = "{jabber:x:data}field"
VALUE = "{jabber:x:data}value"
STANZAS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"


class Administrator:
    """Anna, who administers a service, and her client."""

    def __init__(self) -> None:
        self.service = Service("anna", "bob", "carol", administrators=("anna@example.org",))
        self.client: Client = self.service.bind("anna")

    def ask(self, inner: str, kind: str = "set") -> ET.Element:
        self.client.take()
        self.client.write(f"<iq type='{kind}' id='c' to='example.org'>{inner}</iq>")
        return tree(self.client.take()[-1])

    def command(self, name: str, attributes: str = "", inner: str = "") -> ET.Element:
        return self.ask(
            f"<command xmlns='{NS[1:-1]}' node='{ADMIN}#{name}' {attributes}>{inner}</command>",
        )

    def do(self, name: str, **fields: str | tuple[str, ...]) -> ET.Element:
        """Begin a command, see that its form asks for the fields, submit them, and return the answer."""
        shown = self.command(name)[0]
        asked = {entry.get("var") for entry in shown.iter(FIELD)}
        submitted = {"FORM_TYPE": (ADMIN,)}
        for key, value in fields.items():
            submitted[key.replace("_verify", "-verify")] = (value,) if isinstance(value, str) else value
        assert shown.get("status") == "executing"
        assert set(submitted) <= asked
        written = ""
        for key, texts in submitted.items():
            written += f"<field var='{key}'>{''.join(f'<value>{text}</value>' for text in texts)}</field>"
        form = f"<x xmlns='jabber:x:data' type='submit'>{written}</x>"
        return self.command(name, f"sessionid='{shown.get('sessionid')}'", form)

    def has(self, localpart: str) -> bool:
        return self.service.has_account(localpart)


def completed(answer: ET.Element) -> ET.Element:
    assert answer.get("type") == "result", ET.tostring(answer)
    assert answer[0].get("status") == "completed"
    return answer[0]


def values(answer: ET.Element, name: str) -> list[str | None]:
    """Values of one field of the result."""
    [found] = [entry for entry in completed(answer).iter(FIELD) if entry.get("var") == name]
    return [value.text for value in found.iter(VALUE)]


def notes(answer: ET.Element) -> list[str]:
    return [note.text or "" for note in completed(answer).iter(f"{NS}note")]


def error(answer: ET.Element) -> list[str]:
    """Names of the conditions of an error."""
    assert answer.get("type") == "error", ET.tostring(answer)
    return [child.tag.rpartition("}")[2] for child in answer[-1] if not child.tag.endswith("text")]


@pytest.fixture
def anna() -> Administrator:
    return Administrator()


class TestSection3Discovery:
    """Who sees the commands."""

    def listed(self, client: Client) -> list[str]:
        """The commands of administration that a client sees."""
        client.take()
        query = f"<query xmlns='http://jabber.org/protocol/disco#items' node='{NS[1:-1]}'/>"
        client.write(f"<iq type='get' id='i' to='example.org'>{query}</iq>")
        nodes = [item.get("node") or "" for item in tree(client.take()[-1])[0]]
        return [node for node in nodes if node.startswith(ADMIN)]

    def test_an_administrator_sees_all(self, anna: Administrator) -> None:
        """Each command is advertised under the node that section 4 gives it."""
        names = ["add-user", "delete-user", "end-user-session", "change-user-password", "get-user-roster", "user-stats"]
        names += [f"get-{which}-users-{what}" for what in ("num", "list") for which in ("registered", "online")]
        assert self.listed(anna.client) == [f"{ADMIN}#{name}" for name in names]

    def test_nobody_else_sees_any(self, anna: Administrator) -> None:
        """The list of other users is empty."""
        assert self.listed(anna.service.bind("bob")) == []


class TestSection4Accounts:
    """4.1, 4.2, 4.7."""

    def test_add_user(self, anna: Administrator) -> None:
        """4.1: the account is there; its name is prepared."""
        completed(anna.do("add-user", accountjid="Dora@example.org", password="p", password_verify="p"))
        assert anna.has("dora")

    @pytest.mark.parametrize(
        ("account", "again", "expected"),
        [
            ("bob@example.org", "p", ["conflict"]),
            ("dora@example.org", "q", ["bad-request", "bad-payload"]),
            ("dora@elsewhere.example", "p", ["bad-request", "bad-payload"]),
            ("example.org", "p", ["bad-request", "bad-payload"]),
            ("dora@example.org/phone", "p", ["bad-request", "bad-payload"]),
            ("@@", "p", ["bad-request", "bad-payload"]),
            ("", "p", ["bad-request", "bad-payload"]),
        ],
    )
    def test_add_user_refused(self, anna: Administrator, account: str, again: str, expected: list[str]) -> None:
        """4.1, 6: a name that is taken, passwords that differ, addresses that cannot be an account here."""
        assert error(anna.do("add-user", accountjid=account, password="p", password_verify=again)) == expected
        assert not anna.has("dora")

    def test_delete_user(self, anna: Administrator) -> None:
        """4.2: sessions end, the accounts are gone; each account by itself, with a note for what failed."""
        bob = anna.service.bind("bob")
        answer = anna.do("delete-user", accountjids=("bob@example.org", "nobody@example.org", "carol@example.org"))
        assert [note.partition(":")[0] for note in notes(answer)] == ["nobody@example.org"]
        assert (anna.has("bob"), anna.has("carol"), anna.has("anna")) == (False, False, True)
        assert bob.ended == "not-authorized"

    def test_delete_user_refused(self, anna: Administrator) -> None:
        """4.2: the refusal of one account alone is the command's; devices cannot be deleted."""
        assert error(anna.do("delete-user", accountjids="nobody@example.org")) == ["item-not-found"]
        assert error(anna.do("delete-user", accountjids="bob@example.org/phone")) == ["bad-request", "bad-payload"]
        assert anna.has("bob")

    def test_how_many_at_once(self, anna: Administrator) -> None:
        """As many as the limit may be named, one more and none at all may not."""
        names = tuple(f"u{number}@example.org" for number in range(ADMINISTERED_ACCOUNT_COUNT_MAX + 1))
        assert error(anna.do("delete-user", accountjids=names)) == ["bad-request", "bad-payload"]
        assert error(anna.do("delete-user", accountjids=())) == ["bad-request", "bad-payload"]
        assert len(notes(anna.do("delete-user", accountjids=names[1:]))) == ADMINISTERED_ACCOUNT_COUNT_MAX

    def test_change_user_password(self, anna: Administrator) -> None:
        """4.7: of an account that there is, and to something."""
        completed(anna.do("change-user-password", accountjid="bob@example.org", password="new"))
        assert error(anna.do("change-user-password", accountjid="nobody@example.org", password="new")) == [
            "item-not-found"
        ]
        assert error(anna.do("change-user-password", accountjid="bob@example.org", password="")) == [
            "bad-request",
            "bad-payload",
        ]


class TestSection45Sessions:
    """4.5."""

    def test_end_user_session(self, anna: Administrator) -> None:
        """By a full address that device, by a bare one all devices; others go on."""
        phone, desk, tab = (anna.service.bind("bob", name) for name in ("phone", "desk", "tab"))
        carol = anna.service.bind("carol")
        completed(anna.do("end-user-session", accountjids="bob@example.org/phone"))
        assert [client.ended for client in (phone, desk, tab)] == ["policy-violation", None, None]
        completed(anna.do("end-user-session", accountjids="bob@example.org"))
        assert [client.ended for client in (desk, tab, carol)] == ["policy-violation", "policy-violation", None]
        assert anna.has("bob")

    @pytest.mark.parametrize("account", ["bob@example.org", "carol@example.org/nowhere", "nobody@example.org"])
    def test_nobody_is_there(self, anna: Administrator, account: str) -> None:
        """item-not-found."""
        anna.service.bind("carol")
        assert error(anna.do("end-user-session", accountjids=account)) == ["item-not-found"]


class TestSection48Looking:
    """4.8, 4.10, 4.13, 4.15, 4.18, 4.20."""

    def test_get_user_roster(self, anna: Administrator) -> None:
        """4.8: the roster in its own form; of no account there is none."""
        bob = anna.service.bind("bob")
        item = "<item jid='carol@example.org' name='C'><group>g</group></item>"
        bob.write(f"<iq type='set' id='r'><query xmlns='jabber:iq:roster'>{item}</query></iq>")
        answer = anna.do("get-user-roster", accountjids="bob@example.org")
        assert values(answer, "accountjids") == ["bob@example.org"]
        [found] = completed(answer).iter("{jabber:iq:roster}item")
        assert (found.get("jid"), found.get("name"), found[0].text) == ("carol@example.org", "C", "g")
        assert error(anna.do("get-user-roster", accountjids="nobody@example.org")) == ["item-not-found"]

    def test_user_stats(self, anna: Administrator) -> None:
        """4.10: size of the roster, and connected resources."""
        for resource in ("tab", "phone"):
            anna.service.bind("bob", resource)
        answer = anna.do("user-stats", accountjid="bob@example.org")
        assert (values(answer, "rostersize"), values(answer, "onlineresources")) == (["0"], ["phone", "tab"])
        assert error(anna.do("user-stats", accountjid="nobody@example.org")) == ["item-not-found"]

    @pytest.mark.one_process(reason="accounts of other tests would be counted")
    def test_numbers(self, anna: Administrator) -> None:
        """4.13, 4.15: at once and without a form; online is who has a session that is available, once."""
        for resource in ("tab", "phone"):
            anna.service.bind("bob", resource).write("<presence/>")
        assert values(anna.command("get-registered-users-num"), "registeredusersnum") == ["3"]
        assert values(anna.command("get-online-users-num"), "onlineusersnum") == ["1"]

    @pytest.mark.one_process(reason="accounts of other tests would be listed")
    def test_lists(self, anna: Administrator) -> None:
        """4.18, 4.20: by name, no more than asked for."""
        for name in ("carol", "bob"):
            anna.service.bind(name).write("<presence/>")
        everyone = ["anna@example.org", "bob@example.org", "carol@example.org"]
        assert values(anna.do("get-registered-users-list", max_items="25"), "registereduserjids") == everyone
        assert values(anna.do("get-registered-users-list", max_items="none"), "registereduserjids") == everyone
        assert values(anna.do("get-registered-users-list", max_items="2"), "registereduserjids") == everyone[:2]
        assert values(anna.do("get-online-users-list"), "onlineuserjids") == everyone[1:]
        assert values(anna.do("get-online-users-list", max_items="1"), "onlineuserjids") == everyone[1:2]


class TestSection7Security:
    """Who is no administrator."""

    @pytest.mark.parametrize("name", ["add-user", "get-registered-users-num"])
    def test_others_are_forbidden(self, anna: Administrator, name: str) -> None:
        """7: forbidden for every user who is not named in the settings."""
        anna.client = anna.service.bind("bob")
        assert error(anna.command(name)) == ["forbidden"]

    def test_a_service_without_administrators(self) -> None:
        """Nobody is one by default."""
        service = Service("anna")
        anna = service.bind("anna")
        anna.write(f"<iq type='set' id='c' to='example.org'><command xmlns='{NS[1:-1]}' node='{ADMIN}#add-user'/></iq>")
        assert error(tree(anna.take()[-1])) == ["forbidden"]
