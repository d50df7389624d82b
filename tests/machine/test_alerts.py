"""For which chats an account wants to be alerted (XEP-0492)."""

from __future__ import annotations

import pytest

from machine.rooms import raise_version
from machine.world import World
from raftline.base.ids import AccountId
from raftline.machine.outcomes import Done
from raftline.machine.pubsub.alerts import Alert, alert_of, read_alert
from raftline.machine.pubsub.bookmarks import BOOKMARKS_NODE
from raftline.machine.pubsub.commands import Publish
from raftline.machine.rooms.settings import RoomSettings

ROOM = "den@conference.example.org"
NOTIFY = "urn:xmpp:notification-settings:1"
EXAMPLE = (
    "<never identity-category='client' identity-type='pc'/><on-mention identity-category='client'"
    " identity-type='phone'/><on-mention identity-category='gateway'/><always/>"
)
"""That of section 3.2."""


def bookmark(settings: str, *, notify: str = NOTIFY, extensions: str = "extensions") -> bytes:
    inner = f"<notify xmlns='{notify}'>{settings}</notify>"
    return (
        f"<conference xmlns='{BOOKMARKS_NODE}' autojoin='true'><nick>al</nick>"
        f"<{extensions}><x xmlns='urn:x'><y/></x>{inner}</{extensions}></conference>"
    ).encode()


class TestSection3Settings:
    """Section 3: what is read."""

    @pytest.mark.parametrize("alert", Alert)
    def test_each_setting(self, alert: Alert):
        """Alone, without attributes, it is that of all devices."""
        assert read_alert(bookmark(f"<{alert.value}/>"), "client", "phone") is alert

    @pytest.mark.parametrize(
        ("category", "kind", "expected"),
        [
            ("client", "pc", Alert.NEVER),
            ("client", "phone", Alert.ON_MENTION),
            ("client", "web", Alert.ALWAYS),
            ("client", "", Alert.ALWAYS),
            ("gateway", "sms", Alert.ON_MENTION),
            ("gateway", "", Alert.ON_MENTION),
            ("", "", Alert.ALWAYS),
        ],
    )
    def test_identities(self, category: str, kind: str, expected: Alert):
        """The most specific that matches counts (section 4)."""
        assert read_alert(bookmark(EXAMPLE), category, kind) is expected

    def test_order_says_nothing(self):
        """A fallback that comes first does not hide what is more specific."""
        settings = (
            "<always/><never identity-category='client'/><on-mention identity-category='client' identity-type='pc'/>"
        )
        assert read_alert(bookmark(settings), "client", "pc") is Alert.ON_MENTION
        assert read_alert(bookmark(settings), "client", "phone") is Alert.NEVER
        assert read_alert(bookmark(settings), "bot", "") is Alert.ALWAYS

    @pytest.mark.parametrize(
        "payload",
        [
            bookmark(""),
            bookmark("<loud/>"),
            bookmark("<never identity-type='pc'/>"),
            bookmark("<never identity-category='gateway'/>"),
            bookmark("<never xmlns='urn:other'/>"),
            bookmark("<never/>", notify="urn:xmpp:notification-settings:0"),
            bookmark("<never/>", extensions="nick"),
            bookmark("<other><never/></other>"),
            f"<conference xmlns='{BOOKMARKS_NODE}'><nick>{NOTIFY}</nick></conference>".encode(),
            f"<conference xmlns='{BOOKMARKS_NODE}'/>".encode(),
        ],
    )
    def test_what_says_nothing(self, payload: bytes):
        """None, an unknown one, one for others, another namespace, another place."""
        assert read_alert(payload, "client", "pc") is None

    def test_advanced_settings(self):
        """They are for clients; the element they stand in counts, and nothing inside of it."""
        advanced = f"<advanced><never xmlns='{NOTIFY}'/><w xmlns='urn:w'>rain</w></advanced>"
        assert read_alert(bookmark(f"<on-mention>{advanced}</on-mention>"), "client", "pc") is Alert.ON_MENTION


class TestSection4Rules:
    """Section 4: what counts where, and what when nothing is said."""

    @pytest.fixture
    def world(self, world: World) -> World:
        raise_version(world)
        return world

    def asked(self, world: World, chat: str, *, is_public: bool = True, kind: str = "phone") -> Alert:
        context = world.machine._context
        account = context.accounts.get("alice")
        assert account is not None
        return alert_of(context, AccountId(account.account_id), chat, is_public=is_public, kind=kind)

    def test_defaults(self, world: World):
        """Everything of contacts and private groups, mentions in public rooms."""
        assert self.asked(world, "bob@example.org", is_public=False) is Alert.ALWAYS
        assert self.asked(world, ROOM) is Alert.ON_MENTION

    def test_what_is_kept(self, world: World):
        """The account's own bookmark of that chat, changed and removed like any other."""
        alice, bob = world.online("alice"), world.online("bob")
        assert alice.do(Publish(BOOKMARKS_NODE, ROOM, bookmark("<never/>"))).outcome == Done()
        assert bob.do(Publish(BOOKMARKS_NODE, ROOM, bookmark("<always/>"))).outcome == Done()
        assert self.asked(world, ROOM) is Alert.NEVER
        assert self.asked(world, "other@conference.example.org") is Alert.ON_MENTION
        alice.do(Publish(BOOKMARKS_NODE, ROOM, bookmark("<always/>")))
        assert self.asked(world, ROOM) is Alert.ALWAYS
        alice.do(Publish(BOOKMARKS_NODE, ROOM, f"<conference xmlns='{BOOKMARKS_NODE}'/>".encode()))
        assert self.asked(world, ROOM) is Alert.ON_MENTION

    def test_what_is_alerted_of(self):
        """Always, mentions, nothing."""
        covered = {alert: (alert.covers(is_mention=False), alert.covers(is_mention=True)) for alert in Alert}
        assert covered == {
            Alert.ALWAYS: (True, True),
            Alert.ON_MENTION: (False, True),
            Alert.NEVER: (False, False),
        }

    def test_private_groups(self):
        """Hidden, for members alone, with addresses that all see; lacking one of these it is public."""
        group = {"public": False, "members_only": True, "non_anonymous": True}
        assert RoomSettings(**group).is_private_group
        for name, value in group.items():
            assert not RoomSettings(**{**group, name: not value}).is_private_group
