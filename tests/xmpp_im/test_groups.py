"""
Groups of which most members are away (docs/groups.md), on the real state machine.

Membership is independent of presence: what a member has missed is there on return, on whichever node.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import NamedTuple

import pytest

from raftline.machine.machine import Machine
from raftline.machine.push.answers import WaitingNotification
from raftline.machine.push.queries import PushNotifications
from xmpp_im.conversations import MAM, RSM, take
from xmpp_im.inbox import bookmark, displayed, entry_of, inbox
from xmpp_im.playbook import DOMAIN
from xmpp_im.rooms import HOST, admin, condition, iq, join, leave, make_room
from xmpp_im.rooms import say as say_in_room
from xmpp_im.service import Client, Service
from xmpp_im.test_ticks import mark, ticks

ROOM = f"coven@{HOST}"
GROUP = (
    ("muc#roomconfig_persistentroom", "1"),
    ("muc#roomconfig_membersonly", "1"),
    ("muc#roomconfig_publicroom", "0"),
    ("muc#roomconfig_whois", "anyone"),
)
MEMBER_COUNT, PRESENT_COUNT, MESSAGE_COUNT = 1000, 100, 120
ROWS_PER_MESSAGE_MAX = 8
PAGE_SIZE = 50
APP = f"maker@{DOMAIN}/app"


def members(*names: str, affiliation: str = "member") -> list[str]:
    """Items that change affiliations."""
    return [f"<item affiliation='{affiliation}' jid='{name}@{DOMAIN}'/>" for name in names]


def history(client: Client, room: str = ROOM) -> list[str]:
    """All that was said in a room, read page by page from the beginning."""
    texts: list[str] = []
    after = ""
    while True:
        take(client)
        paging = f"<set xmlns='{RSM[1:-1]}'><max>{PAGE_SIZE}</max>{after}</set>"
        client.write(f"<iq type='set' id='h' to='{room}'><query xmlns='{MAM[1:-1]}'>{paging}</query></iq>")
        *results, reply = take(client)
        assert reply.get("type") == "result", ET.tostring(reply)
        texts += [text for result in results if (text := result.findtext(".//{jabber:client}body"))]
        if reply[0].get("complete") == "true":
            return texts
        after = f"<after>{reply[0].findtext(f'.//{RSM}last')}</after>"


def enable_push(client: Client, node: str) -> None:
    """Let a device be told."""
    client.write(f"<iq type='set' id='e'><enable xmlns='urn:xmpp:push:0' jid='{APP}' node='{node}'/></iq>")
    assert take(client)[-1].get("type") == "result"


class TestReturn:
    """A member comes back."""

    @pytest.fixture
    def group(self, service: Service) -> Client:
        """Alice in her group, of which Bob is a member who has never been there."""
        alice = service.bind("alice", "desk")
        make_room(alice, "alice", *GROUP)
        admin(alice, f"<item affiliation='member' jid='bob@{DOMAIN}' nick='rob'/>")
        return alice

    def test_the_group_is_on_the_list_at_once(self, service: Service, group: Client) -> None:
        """Before anything is said, of all who were made members; not of others."""
        bob, carol = service.bind("bob"), service.bind("carol")
        assert [entry.jid for entry in inbox(bob).entries] == [ROOM]
        assert inbox(carol).entries == []

    def test_what_was_said_meanwhile(self, service: Service, group: Client) -> None:
        """Count, mentions and messages, on each device, without entering; what one reads is read on the other."""
        for body in ("one", "rob, where are you?", "three"):
            say_in_room(group, body)
        phone, desk = service.bind("bob", "phone"), service.bind("bob", "desk")
        for device in (phone, desk):
            entry = entry_of(device, ROOM)
            assert (entry.unread, entry.state, entry.text) == (3, {"mentions": "1"}, "three")
            assert history(device) == ["one", "rob, where are you?", "three"]
        last = entry_of(phone, ROOM).id
        assert last is not None
        displayed(phone, ROOM, last, by=ROOM)
        entry = entry_of(desk, ROOM)
        assert (entry.unread, entry.state) == (0, {})

    def test_ticks_count_members(self, service: Service, group: Client) -> None:
        """There or not; those who came later did not read it."""
        said = say_in_room(group, "one")
        stanza_id = said.find("{urn:xmpp:sid:0}stanza-id")
        assert stanza_id is not None
        first = stanza_id.get("id", "")
        admin(group, *members("carol"))
        assert ticks(group, ROOM, first) == [(None, "0", "1")]
        bob = service.bind("bob")
        join(bob, "bob")
        mark(bob, ROOM, first, "groupchat")
        leave(bob, "bob")
        assert ticks(group, ROOM, first) == [(None, "1", "1")]

    @pytest.mark.parametrize("affiliation", ["none", "outcast"])
    def test_who_is_removed_or_banned_while_away(self, service: Service, group: Client, affiliation: str) -> None:
        """Has it on the list no more, bookmarked or not, and may not read it."""
        say_in_room(group, "one")
        bob = service.bind("bob")
        bookmark(bob, ROOM)
        admin(group, *members("bob", affiliation=affiliation))
        assert inbox(bob).entries == []
        answer = iq(bob, "set", f"<query xmlns='{MAM[1:-1]}'/>")
        assert condition(answer) == ("forbidden", "auth")

    def test_who_comes_again(self, service: Service, group: Client) -> None:
        """What was said while somebody was no member is not unread, once they are again."""
        say_in_room(group, "one")
        admin(group, *members("bob", affiliation="none"))
        say_in_room(group, "two")
        admin(group, *members("bob"))
        say_in_room(group, "three")
        assert entry_of(service.bind("bob"), ROOM).unread == 1


class Crowd(NamedTuple):
    """
    A group in which something was said.

    Attributes:
        names: Of the members but its owner.
        written: Rows that each command wrote with which something was said.
    """

    service: Service
    names: list[str]
    written: list[int]


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    """The first members are there; the last three have a device to be told; all others are just away."""
    names = [f"member{number:04}" for number in range(1, MEMBER_COUNT)]
    service = Service("owner", *names)
    owner = service.bind("owner", "desk")
    make_room(owner, "owner", *GROUP, ("muc#roomconfig_presencebroadcast", "moderator"))
    for first in range(0, len(names), 100):
        assert admin(owner, *members(*names[first : first + 100])).get("type") == "result"
    for name in names[: PRESENT_COUNT - 1]:
        join(service.bind(name), name)
    for name in names[-3:]:
        phone = service.bind(name)
        enable_push(phone, name)
        phone.end()
    rows = service.machine._context.rows
    counts: list[int] = []
    encode = rows.encode_journal

    def count_and_encode() -> bytes:
        counts.append(len(rows.journal))
        return encode()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "encode_journal", count_and_encode)
        for number in range(MESSAGE_COUNT):
            say_in_room(owner, f"{number}: hello, member0500" if number == 7 else f"{number}")
    return Crowd(service, names, counts)


@pytest.mark.one_process(reason="rows are counted in the database")
class TestAThousandMembers:
    """A group of 1,000 members, 900 of them away: each message is stored once."""

    def test_rows(self, crowd: Crowd) -> None:
        """One of the room's archive and one of a message, on each node, and a bounded few in all."""
        for machine in crowd.service.machines.values():
            assert _count(machine, "archive") == _count(machine, "message") == MESSAGE_COUNT
        told = 2 * 3  # a registration and its notification, of each device that is away
        assert max(crowd.written) <= ROWS_PER_MESSAGE_MAX + told

    def test_who_returns(self, crowd: Crowd) -> None:
        """Each node has all of it: unread, mentions, history, ticks."""
        for name in (crowd.names[499], crowd.names[500], crowd.names[700]):
            client = crowd.service.bind(name)
            entry = entry_of(client, ROOM)
            mentions = {"mentions": "1"} if name == "member0500" else {}
            assert (entry.unread, entry.state) == (MESSAGE_COUNT, mentions)
            texts = history(client)
            assert [text.partition(":")[0] for text in texts] == [str(number) for number in range(MESSAGE_COUNT)]
            assert entry.id is not None
            assert ticks(client, ROOM, entry.id) == [(None, "0", str(MEMBER_COUNT - 1))]

    def test_push(self, crowd: Crowd) -> None:
        """Each device that is away is told of each message, and nobody else's."""
        rows = crowd.service.machine.answer(PushNotifications(APP, crowd.service.time_ms, 10_000))
        assert isinstance(rows, list)
        found: dict[str, int] = {}
        for row in rows:
            assert isinstance(row, WaitingNotification)
            found[row.node] = found.get(row.node, 0) + 1
        assert found == dict.fromkeys(crowd.names[-3:], MESSAGE_COUNT)


def _count(machine: Machine, table: str) -> int:
    machine.scrub_digest(table)
    return int(machine._database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
