"""XEP-0402 PEP Native Bookmarks, unified with XEP-0048 over XEP-0049, on the real state machine."""

from __future__ import annotations

import pytest

from raftline.base.limits import PUBSUB_ITEM_COUNT_MAX
from raftline.machine.commands import PrivateElement, StorePrivate
from xmpp_im.nodes import INFO, condition, items, online, options, publish, request, told
from xmpp_im.playbook import answer, tree
from xmpp_im.service import Client, Service

NODE = "urn:xmpp:bookmarks:1"
OLD = "storage:bookmarks"
PRIVATE = "jabber:iq:private"
OPTIONS = options(persist_items="true", max_items="max", send_last_published_item="never", access_model="whitelist")
A, B = "a@rooms.example", "b@rooms.example"


@pytest.fixture
def service() -> Service:
    return Service("alice", "bob")


@pytest.fixture
def phone(service: Service) -> Client:
    """A client that speaks the new form."""
    return online(service, "alice", wants=(NODE,))


@pytest.fixture
def desk(service: Service) -> Client:
    """A client that speaks the old one."""
    return online(service, "alice", "desk")


def old(jid: str, attributes: str = "", content: str = "") -> str:
    return f"<conference jid='{jid}' {attributes}>{content}</conference>"


def new(attributes: str = "", content: str = "") -> str:
    return f"<conference xmlns='{NODE}' {attributes}>{content}</conference>"


def store(client: Client, *conferences: str) -> tuple[str, ...]:
    content = f"<storage xmlns='{OLD}'>{''.join(conferences)}</storage>"
    client.write(f"<iq type='set' id='p'><query xmlns='{PRIVATE}'>{content}</query></iq>")
    [reply] = [data for data in client.sent if data.startswith(b"<iq") and b"id='p'" in data]
    client.sent.remove(reply)
    return condition(tree(reply))


def stored(client: Client) -> list[tuple[str, dict[str, str], list[tuple[str, str]]]]:
    """Return what private storage has: name, attributes, and texts by name."""
    client.write(f"<iq type='get' id='p'><query xmlns='{PRIVATE}'><storage xmlns='{OLD}'/></query></iq>")
    storage = tree(client.take()[-1])[0][0]
    assert storage.tag == f"{{{OLD}}}storage"
    return [
        (child.tag, dict(child.attrib), [(text.tag.rpartition("}")[2], text.text or "") for text in child])
        for child in storage
    ]


def bookmark(client: Client, room: str, payload: str) -> None:
    assert condition(publish(client, NODE, payload, item_id=room, extra=OPTIONS)) == ()


def test_discovery(phone: Client) -> None:
    """5.4: the account says that either form is enough."""
    phone.write(f"<iq type='get' id='d'><query xmlns='{INFO}'/></iq>")
    assert b"urn:xmpp:bookmarks:1#compat'" in phone.take()[-1]


class TestSection3Workflow:
    """3: the node as XEP-0060 has it."""

    def test_a_bookmark(self, phone: Client) -> None:
        """3.2 to 3.5: added, told, edited, removed; each room is an item of its own."""
        bookmark(phone, A, new("name='One'"))
        bookmark(phone, B, new())
        bookmark(phone, A, new("name='Two' autojoin='true'"))
        assert [entry[2] for entry in told(phone)] == ["item"] * 3
        assert [item_id for item_id, _ in items(phone, NODE)] == [B, A]
        request(phone, "set", f"<retract node='{NODE}' notify='true'><item id='{A}'/></retract>")
        assert told(phone) == [("alice@example.org", NODE, "retract", A)]
        assert [item_id for item_id, _ in items(phone, NODE)] == [B]

    def test_nobody_else(self, service: Service, phone: Client) -> None:
        """XEP-0223: the owner alone reads them."""
        bookmark(phone, A, new())
        bob = online(service, "bob")
        reply = request(bob, "get", f"<items node='{NODE}'/>", to="alice@example.org")
        assert condition(reply) == ("not-allowed", "closed-node", "cancel")


class TestSection541New:
    """5.4.1: what is published is in private storage."""

    def test_cast(self, phone: Client, desk: Client) -> None:
        """With the room's address, and without what the old form does not know."""
        extensions = "<extensions><x xmlns='urn:x'/></extensions>"
        bookmark(phone, A, new("name='One' autojoin='1'", f"<nick>n</nick><password>p</password>{extensions}"))
        assert stored(desk) == [
            (
                f"{{{OLD}}}conference",
                {"jid": A, "name": "One", "autojoin": "1"},
                [("nick", "n"), ("password", "p")],
            )
        ]

    def test_none(self, desk: Client) -> None:
        """XEP-0049 3.2: an empty element."""
        assert stored(desk) == []


class TestSection542Old:
    """5.4.2: what is stored in private storage is published."""

    def test_items(self, phone: Client, desk: Client) -> None:
        """The node is made, for the owner alone; devices hear of each."""
        assert store(desk, old(A, "name='One'", "<nick>n</nick>"), old(B.upper() + "/x", "autojoin='true'")) == ()
        assert [(entry[2], entry[3]) for entry in told(phone)] == [("item", "n"), ("item", B)]
        item = request(phone, "get", f"<items node='{NODE}'><item id='{A}'/></items>")[0][0][0]
        assert (item[0].tag, item[0].attrib, item[0][0].text) == (f"{{{NODE}}}conference", {"name": "One"}, "n")
        assert condition(publish(phone, NODE, new(), item_id=A, extra=OPTIONS)) == ()

    def test_only_changes_are_told(self, phone: Client, desk: Client) -> None:
        """Updates and retractions as needed, nothing of what is unchanged."""
        store(desk, old(A), old(B, "name='B'"), old("c@x.example"))
        phone.take()
        assert store(desk, old(B, "name='B'"), old(A, "name='new'")) == ()
        assert [(entry[2], entry[3]) for entry in told(phone)] == [("retract", "c@x.example"), ("item", A)]

    def test_extensions_survive(self, phone: Client, desk: Client) -> None:
        """3.4: what the old form does not know is carried over, whether the bookmark changes or not."""
        extensions = "<extensions><x xmlns='urn:x' y='z'/></extensions>"
        for room in (A, B):
            bookmark(phone, room, new("name='n'", extensions))
        phone.take()
        store(desk, old(A, "name='n'"), old(B, "name='m'"))
        assert [entry[2] for entry in told(phone)] == ["item"]
        for item in request(phone, "get", f"<items node='{NODE}'/>")[0][0]:
            assert item.find(f".//{{{NODE}}}extensions/{{urn:x}}x").get("y") == "z"

    def test_what_is_no_conference(self, desk: Client) -> None:
        """It is kept, and comes back."""
        url = "<url name='u' url='https://x.example'/>"
        store(desk, url, old(A), "<conference jid='@@'/>")
        assert [(tag.rpartition("}")[2], found.get("jid")) for tag, found, _ in stored(desk)] == [
            ("url", None),
            ("conference", "@@"),
            ("conference", A),
        ]
        store(desk)
        assert stored(desk) == []

    @pytest.mark.parametrize("excess", [0, 1])
    def test_many(self, desk: Client, excess: int) -> None:
        """Both sides of what a node keeps."""
        rooms = [old(f"r{number}@x.example") for number in range(PUBSUB_ITEM_COUNT_MAX + excess)]
        assert store(desk, *rooms) == (("resource-constraint", "cancel") if excess else ())

    def test_beside_others(self, desk: Client) -> None:
        """One request stores bookmarks, or anything else."""
        content = f"<storage xmlns='{OLD}'/><x xmlns='urn:x'/>"
        desk.write(f"<iq type='set' id='p'><query xmlns='{PRIVATE}'>{content}</query></iq>")
        assert condition(answer(desk.take(), "p")) == ("bad-request", "modify")


@pytest.mark.one_process(reason="a command of an earlier release")
class TestWhatAnEarlierReleaseStored:
    """Conferences that lie in private storage, in the old form."""

    @pytest.fixture
    def unconverted(self, service: Service, desk: Client) -> Client:
        url = "<url name='u' url='https://x.example'/>"
        named = old(A, "name='old'")
        data = f"<storage xmlns='{OLD}'>{named}{url}{old(B)}</storage>"
        desk.write("<message/>")
        service.apply(StorePrivate((PrivateElement(OLD, "storage", data.encode()),)), desk.origin())
        return desk

    def test_it_is_read_in_either_form(self, phone: Client, unconverted: Client) -> None:
        """Before there is any item."""
        assert [found.get("jid") for _, found, _ in stored(unconverted)] == [A, None, B]
        assert [item_id for item_id, _ in items(phone, NODE)] == [A, B]
        reply = request(phone, "get", f"<items node='{NODE}'><item id='{A}'/></items>")
        assert [item[0].attrib for item in reply[0][0]] == [{"name": "old"}]

    def test_the_first_item_takes_it_along(self, phone: Client, unconverted: Client) -> None:
        """A bookmark that is published in the new form; all are items then, and nothing is lost or doubled."""
        bookmark(phone, A, new("name='new'"))
        assert sorted(item_id for item_id, _ in items(phone, NODE)) == [A, B]
        assert sorted(entry[2] for entry in told(phone)) == ["item", "item"]
        assert [(found.get("jid"), found.get("name")) for _, found, _ in stored(unconverted)] == [
            (None, "u"),
            (A, "new"),
            (B, None),
        ]
        reply = request(phone, "set", f"<retract node='{NODE}'><item id='{B}'/></retract>")
        assert condition(reply) == ()
        bookmark(phone, "c@rooms.example", new())
        assert [item_id for item_id, _ in items(phone, NODE)] == [A, "c@rooms.example"]

    def test_a_list_that_is_stored_anew(self, phone: Client, unconverted: Client) -> None:
        """It replaces what was there."""
        store(unconverted, old(B))
        assert [item_id for item_id, _ in items(phone, NODE)] == [B]
        assert [found.get("jid") for _, found, _ in stored(unconverted)] == [B]
