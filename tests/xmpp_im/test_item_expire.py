"""Items that expire (XEP-0060 section 16.4.4, `pubsub#item_expire`; XEP-0501), on the real state machine."""

from __future__ import annotations

import pytest

from raftline.base.limits import PUBSUB_ITEM_EXPIRE_S_MAX
from xmpp_im.nodes import condition, configuration, configure, create, friend_of, items, online, options, publish, told
from xmpp_im.service import Client, Service

pytestmark = pytest.mark.one_process(reason="time is made to pass")

NODE = "urn:n"
STORIES = "urn:xmpp:pubsub-social-feed:stories:0"
PAYLOAD = "<a xmlns='urn:n'>{}</a>"
ALICE = "alice@example.org"
DAY_S = 86_400


@pytest.fixture
def alice(service: Service) -> Client:
    return online(service, "alice")


@pytest.fixture
def friend(service: Service, alice: Client) -> Client:
    """Bob, who sees Alice and wants to hear of her stories."""
    return friend_of(service, alice, NODE, STORIES)


class TestConfiguration:
    """XEP-0060 sections 8.2, 7.1.5: how long items live is configured."""

    def test_never_by_default(self, alice: Client) -> None:
        """`max` stands for no limit."""
        assert configuration(alice)["item_expire"] == ["max"]

    def test_it_is_shown_and_changed(self, alice: Client) -> None:
        """A number of seconds, or `max` again."""
        create(alice, NODE, item_expire="60")
        assert configuration(alice, NODE)["item_expire"] == ["60"]
        assert condition(configure(alice, NODE, item_expire="max")) == ()
        assert configuration(alice, NODE)["item_expire"] == ["max"]

    @pytest.mark.parametrize("value", ["0", "-1", "x", "", "1.5", str(PUBSUB_ITEM_EXPIRE_S_MAX + 1), "9" * 30])
    def test_what_cannot_be(self, alice: Client, value: str) -> None:
        """Neither no time at all nor more than a year."""
        create(alice, NODE)
        assert condition(configure(alice, NODE, item_expire=value))[0] == "not-acceptable"
        assert condition(publish(alice, "urn:m", PAYLOAD, extra=options(item_expire=value))) != ()
        assert configuration(alice, NODE)["item_expire"] == ["max"]

    @pytest.mark.parametrize("value", ["1", str(PUBSUB_ITEM_EXPIRE_S_MAX)])
    def test_the_bounds(self, service: Service, alice: Client, value: str) -> None:
        """Shortest and longest count."""
        publish(alice, NODE, PAYLOAD, extra=options(item_expire=value))
        service.pass_time(int(value))
        assert items(alice, NODE) == []

    def test_as_a_precondition(self, alice: Client) -> None:
        """A node that keeps its items otherwise is not published to."""
        publish(alice, NODE, PAYLOAD, extra=options(item_expire="60"))
        assert condition(publish(alice, NODE, PAYLOAD, extra=options(item_expire="60"))) == ()
        refused = condition(publish(alice, NODE, PAYLOAD, extra=options(item_expire="61")))
        assert refused == ("conflict", "precondition-not-met", "cancel")


class TestExpiry:
    """What happens when the time of an item is over."""

    def test_one_by_one(self, service: Service, alice: Client) -> None:
        """Each item has its own time, from when it was published; others stay."""
        create(alice, NODE, item_expire="60", max_items="10")
        create(alice, "urn:m", max_items="10")
        publish(alice, NODE, PAYLOAD.format(1), item_id="a")
        service.pass_time(30)
        publish(alice, NODE, PAYLOAD.format(2), item_id="b")
        publish(alice, "urn:m", PAYLOAD.format(3), item_id="c")
        service.pass_time(30)
        assert items(alice, NODE) == [("b", "2")]
        service.pass_time(30)
        assert items(alice, NODE) == []
        assert items(alice, "urn:m") == [("c", "3")]

    @pytest.mark.parametrize("notify", ["1", "0"])
    def test_who_hears_of_it(self, service: Service, alice: Client, friend: Client, notify: str) -> None:
        """Whoever hears of retractions at the node, if anyone does."""
        create(alice, NODE, item_expire="60", notify_retract=notify)
        publish(alice, NODE, PAYLOAD.format(1), item_id="a")
        friend.take()
        service.pass_time(60)
        assert told(friend) == ([(ALICE, NODE, "retract", "a")] if notify == "1" else [])

    def test_who_may_not_read_it(self, service: Service, alice: Client, friend: Client) -> None:
        """Nobody who was not told of the item is told that it went."""
        create(alice, NODE, item_expire="60", access_model="whitelist")
        publish(alice, NODE, PAYLOAD.format(1), item_id="a")
        service.pass_time(60)
        assert told(friend) == []

    def test_another_configuration(self, service: Service, alice: Client) -> None:
        """It counts for what is there: a shorter time, a longer one, none."""
        create(alice, NODE, max_items="10")
        for item_id in ("a", "b"):
            publish(alice, NODE, PAYLOAD.format(item_id), item_id=item_id)
        service.pass_time(60)
        configure(alice, NODE, item_expire="600")
        service.pass_time(60)
        assert len(items(alice, NODE)) == 2
        configure(alice, NODE, item_expire="max")
        service.pass_time(600)
        assert len(items(alice, NODE)) == 2
        configure(alice, NODE, title="another", item_expire="600")
        service.pass_time(0)
        assert items(alice, NODE) == []

    def test_a_change_of_other_fields(self, service: Service, alice: Client) -> None:
        """It leaves the time as it is."""
        create(alice, NODE, item_expire="60")
        publish(alice, NODE, PAYLOAD.format(1), item_id="a")
        configure(alice, NODE, title="another")
        service.pass_time(60)
        assert items(alice, NODE) == []

    def test_what_is_not_kept(self, service: Service, alice: Client) -> None:
        """A node without items has none that expire."""
        create(alice, NODE, item_expire="60", persist_items="0")
        assert condition(publish(alice, NODE, PAYLOAD.format(1))) == ()
        service.pass_time(60)
        assert condition(publish(alice, NODE, PAYLOAD.format(2))) == ()


class TestXep0501Stories:
    """XEP-0501: a story is an item that is gone after a day."""

    def test_a_story(self, service: Service, alice: Client, friend: Client) -> None:
        """The node is configured as section 4.1.1 says; contacts see the story for a day."""
        configured = options(type=STORIES, access_model="presence", item_expire=str(DAY_S), max_items="20")
        story = "<entry xmlns='http://www.w3.org/2005/Atom'><title>{}</title></entry>"
        for name in ("one", "two"):
            assert condition(publish(alice, STORIES, story.format(name), item_id=name, extra=configured)) == ()
        assert [entry[2:] for entry in told(friend)] == [("item", "one"), ("item", "two")]
        service.pass_time(DAY_S - 60)
        assert [item_id for item_id, _text in items(friend, STORIES, to=ALICE)] == ["one", "two"]
        friend.take()
        service.pass_time(60)
        assert items(friend, STORIES, to=ALICE) == []
        assert [entry[2:] for entry in told(friend)] == [("retract", "one"), ("retract", "two")]
