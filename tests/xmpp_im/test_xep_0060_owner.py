"""XEP-0060 Publish-Subscribe, section 8: what the owner of a node does, on the real state machine."""

from __future__ import annotations

import pytest

from raftline.base.limits import (
    PUBSUB_AFFILIATION_COUNT_MAX,
    PUBSUB_ITEM_COUNT_MAX,
    PUBSUB_NODE_COUNT_MAX,
    PUBSUB_TEXT_SIZE_MAX,
)
from raftline.machine.pubsub import nodes as machine_nodes
from xmpp_im.nodes import (
    OWNER,
    condition,
    configuration,
    configure,
    create,
    events,
    form,
    friend_of,
    items,
    online,
    publish,
    request,
    told,
)
from xmpp_im.service import Client, Service

NODE = "urn:n"
A = "<a xmlns='urn:n'>{}</a>"
ALICE = "alice@example.org"


@pytest.fixture
def alice(service: Service) -> Client:
    return online(service, "alice")


@pytest.fixture
def bob(service: Service, alice: Client) -> Client:
    """A friend who wants to hear of the node."""
    return friend_of(service, alice, NODE)


@pytest.fixture
def stranger(service: Service) -> Client:
    """Carol, who sees nobody's presence."""
    return online(service, "carol")


class TestSection81Create:
    """8.1."""

    def test_defaults(self, alice: Client) -> None:
        """8.1.2, 8.3: those that service tells."""
        assert condition(request(alice, "set", f"<create node='{NODE}'/>")) == ()
        assert configuration(alice, NODE) == configuration(alice)

    def test_a_name_that_is_taken(self, alice: Client) -> None:
        """8.1.1: conflict."""
        create(alice, NODE)
        assert condition(create(alice, NODE)) == ("conflict", "cancel")

    def test_instant_nodes(self, alice: Client) -> None:
        """8.1.1: a node without a name is given one, which the answer tells."""
        name = request(alice, "set", "<create/>")[0][0].get("node")
        assert items(alice, str(name)) == []

    @pytest.mark.parametrize(
        "content",
        [
            f"<configure>{form('node_config')}</configure><create node='{NODE}'/>",
            f"<create node='{NODE}'/><configure node='{NODE}'>{form('node_config')}</configure>",
            f"<create node='{NODE}'/><x xmlns='urn:x'/><configure>{form('node_config')}</configure>",
        ],
    )
    def test_configuration_in_the_wrong_place(self, alice: Client, content: str) -> None:
        """8.1.3."""
        assert condition(request(alice, "set", content))[0] in {"bad-request", "feature-not-implemented"}
        assert condition(request(alice, "get", f"<items node='{NODE}'/>")) == ("item-not-found", "cancel")

    def test_an_access_model_that_is_not_there(self, alice: Client) -> None:
        """8.1.2."""
        expected = ("not-acceptable", "unsupported-access-model", "modify")
        assert condition(create(alice, NODE, access_model="authorize")) == expected

    @pytest.mark.one_process(reason="a limit is made small")
    @pytest.mark.parametrize("excess", [0, 1])
    def test_too_many(self, alice: Client, excess: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """Both sides of the limit; one that goes makes room."""
        assert PUBSUB_NODE_COUNT_MAX > 2
        monkeypatch.setattr(machine_nodes, "PUBSUB_NODE_COUNT_MAX", 3 - excess)
        publish(alice, "urn:1", A)
        publish(alice, "urn:2", A)
        assert condition(create(alice, NODE)) == (("conflict", "max-nodes-exceeded", "cancel") if excess else ())
        request(alice, "set", "<delete node='urn:1'/>", namespace=OWNER)
        assert condition(publish(alice, "urn:4", A)) == ()

    def test_somebody_else(self, alice: Client, bob: Client) -> None:
        """8.1.1: forbidden, as is everything an owner does (8.2.3.2, 8.4.3.1, 8.5.3.2, 8.8.1, 8.9.1)."""
        create(alice, NODE)
        assert condition(request(bob, "set", "<create node='urn:b'/>", to=ALICE)) == ("forbidden", "auth")
        for kind, names in (
            ("get", ("configure", "affiliations", "subscriptions")),
            ("set", ("configure", "delete", "purge", "affiliations", "subscriptions")),
        ):
            for name in names:
                reply = request(bob, kind, f"<{name} node='{NODE}'/>", to=ALICE, namespace=OWNER)
                assert condition(reply) == ("forbidden", "auth")


class TestSection82Configure:
    """8.2."""

    def test_get_and_set(self, alice: Client) -> None:
        """8.2.2, 8.2.5.1: what is set is there; what is not named stays; what is unknown is left out."""
        create(alice, NODE, title="T", max_items="7")
        reply = configure(alice, NODE, description="D", no_such_field="x", roster_groups_allowed=("A", "B"))
        assert condition(reply) == ()
        found = configuration(alice, NODE)
        assert (found["title"], found["max_items"], found["description"]) == (["T"], ["7"], ["D"])
        assert found["roster_groups_allowed"] == ["A", "B"]

    def test_cancel(self, alice: Client) -> None:
        """8.2.4: nothing changes."""
        create(alice, NODE)
        content = f"<configure node='{NODE}'><x xmlns='jabber:x:data' type='cancel'/></configure>"
        assert condition(request(alice, "set", content, namespace=OWNER)) == ()

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("max_items", "0"),
            ("max_items", str(PUBSUB_ITEM_COUNT_MAX + 1)),
            ("max_items", "x"),
            ("persist_items", "maybe"),
            ("send_last_published_item", "later"),
            ("notification_type", "chat"),
            ("publish_model", "open"),
            ("title", "x" * (PUBSUB_TEXT_SIZE_MAX + 1)),
            ("title", ("two", "values")),
        ],
    )
    def test_values_that_cannot_be(self, alice: Client, name: str, value: str | tuple[str, ...]) -> None:
        """8.2.5.2: not-acceptable, and nothing changes."""
        create(alice, NODE)
        before = configuration(alice, NODE)
        assert condition(configure(alice, NODE, **{name: value})) == ("not-acceptable", "modify")
        assert configuration(alice, NODE) == before

    @pytest.mark.parametrize(
        ("name", "value"), [("max_items", str(PUBSUB_ITEM_COUNT_MAX)), ("title", "x" * PUBSUB_TEXT_SIZE_MAX)]
    )
    def test_values_that_just_can_be(self, alice: Client, name: str, value: str) -> None:
        """The other side of the limits."""
        create(alice, NODE)
        assert condition(configure(alice, NODE, **{name: value})) == ()
        assert configuration(alice, NODE)[name] == [value]

    def test_errors(self, alice: Client) -> None:
        """8.2.3.3, 8.2.3.5."""
        content = f"<configure>{form('node_config')}</configure>"
        for kind in ("get", "set"):
            reply = request(alice, kind, content, namespace=OWNER)
            assert condition(reply) == ("bad-request", "nodeid-required", "modify")
        assert condition(configure(alice, NODE, title="x")) == ("item-not-found", "cancel")
        create(alice, NODE)
        reply = request(alice, "set", f"<configure node='{NODE}'/>", namespace=OWNER)
        assert condition(reply) == ("bad-request", "modify")

    @pytest.mark.parametrize("payloads", ["0", "1"])
    def test_notification(self, alice: Client, bob: Client, payloads: str) -> None:
        """8.2.5.3: the configuration comes along where payloads do."""
        create(alice, NODE, notify_config="1", deliver_payloads=payloads)
        configure(alice, NODE, title="New")
        [message] = events(bob)
        change = message[0][0]
        assert (change.tag.rpartition("}")[2], change.get("node")) == ("configuration", NODE)
        assert ("New" in "".join(change.itertext())) is (payloads == "1")


class TestSection84Delete:
    """8.4, 8.5."""

    @pytest.mark.parametrize("configured", ["0", "1"])
    def test_delete(self, alice: Client, bob: Client, configured: str) -> None:
        """8.4.2: who wanted to hear hears; nothing is left."""
        create(alice, NODE, notify_delete=configured, access_model="open")
        publish(alice, NODE, A, item_id="i")
        request(bob, "set", f"<subscribe node='{NODE}' jid='bob@example.org'/>", to=ALICE)
        change = "<affiliation jid='bob@example.org' affiliation='member'/>"
        request(alice, "set", f"<affiliations node='{NODE}'>{change}</affiliations>", namespace=OWNER)
        bob.take()
        assert condition(request(alice, "set", f"<delete node='{NODE}'/>", namespace=OWNER)) == ()
        assert told(bob) == ([(ALICE, NODE, "delete", "")] if configured == "1" else [])
        assert condition(request(alice, "get", f"<items node='{NODE}'/>")) == ("item-not-found", "cancel")
        create(alice, NODE, access_model="whitelist")
        assert items(alice, NODE) == []
        assert condition(request(bob, "get", f"<items node='{NODE}'/>", to=ALICE))[0] == "not-allowed"
        assert len(request(bob, "get", "<subscriptions/>", to=ALICE)[0][0]) == 0

    @pytest.mark.parametrize("configured", ["0", "1"])
    def test_purge(self, alice: Client, bob: Client, configured: str) -> None:
        """8.5.2: all items go, one word of it."""
        create(alice, NODE, max_items="5", notify_retract=configured)
        for name in "ab":
            publish(alice, NODE, A, item_id=name)
        bob.take()
        assert condition(request(alice, "set", f"<purge node='{NODE}'/>", namespace=OWNER)) == ()
        assert told(bob) == ([(ALICE, NODE, "purge", "")] if configured == "1" else [])
        assert items(alice, NODE) == []
        publish(alice, NODE, A.format("new"), item_id="c")
        assert items(alice, NODE) == [("c", "new")]

    @pytest.mark.parametrize("name", ["delete", "purge", "affiliations"])
    def test_errors(self, alice: Client, name: str) -> None:
        """8.4.3.2, 8.5.3.4, 8.9.2."""
        reply = request(alice, "set", f"<{name} node='{NODE}'/>", namespace=OWNER)
        assert condition(reply) == ("item-not-found", "cancel")
        reply = request(alice, "set", f"<{name}/>", namespace=OWNER)
        assert condition(reply) == ("bad-request", "nodeid-required", "modify")


class TestSection88Management:
    """8.8, 8.9."""

    def test_subscriptions(self, alice: Client, stranger: Client) -> None:
        """8.8.1: those by name; changing them is not supported."""
        create(alice, NODE, access_model="open")
        request(stranger, "set", f"<subscribe node='{NODE}' jid='{stranger.jid}'/>", to=ALICE)
        reply = request(alice, "get", f"<subscriptions node='{NODE}'/>", namespace=OWNER)
        assert [entry.attrib for entry in reply[0][0]] == [{"jid": str(stranger.jid), "subscription": "subscribed"}]
        reply = request(alice, "set", f"<subscriptions node='{NODE}'/>", namespace=OWNER)
        assert condition(reply) == ("feature-not-implemented", "unsupported", "cancel")

    def test_affiliations(self, alice: Client) -> None:
        """8.9.1, 8.9.2: a delta; without an affiliation nothing changes."""
        create(alice, NODE)

        def change(*entries: str) -> tuple[str, ...]:
            written = "".join(f"<affiliation {entry}/>" for entry in entries)
            return condition(
                request(alice, "set", f"<affiliations node='{NODE}'>{written}</affiliations>", namespace=OWNER)
            )

        def listed() -> list[tuple[str | None, str | None]]:
            reply = request(alice, "get", f"<affiliations node='{NODE}'/>", namespace=OWNER)
            return [(entry.get("jid"), entry.get("affiliation")) for entry in reply[0][0]]

        bob, carol = "jid='bob@example.org/x'", "jid='carol@example.org'"
        assert change(f"{bob} affiliation='member'", f"{carol} affiliation='outcast'") == ()
        assert change(bob, f"{carol} affiliation='none'") == ()
        assert listed() == [(ALICE, "owner"), ("bob@example.org", "member")]
        assert change(f"{bob} affiliation='king'") == ("bad-request", "modify")
        assert change("jid='' affiliation='member'") == ("bad-request", "modify")
        assert change(f"{bob} affiliation='none'", f"jid='{ALICE}' affiliation='none'") == ("not-acceptable", "modify")
        for affiliation in ("owner", "publisher", "publish-only"):
            expected = ("feature-not-implemented", "unsupported", "cancel")
            assert change(f"{bob} affiliation='{affiliation}'") == expected
        assert listed() == [(ALICE, "owner"), ("bob@example.org", "member")]

    @pytest.mark.parametrize("excess", [0, 1])
    def test_many_affiliations(self, alice: Client, excess: int) -> None:
        """Both sides of the limit."""
        create(alice, NODE)
        count = PUBSUB_AFFILIATION_COUNT_MAX + excess
        entries = "".join(f"<affiliation jid='u{n}@example.org' affiliation='member'/>" for n in range(count))
        reply = request(alice, "set", f"<affiliations node='{NODE}'>{entries}</affiliations>", namespace=OWNER)
        assert condition(reply) == (("resource-constraint", "cancel") if excess else ())

    def test_members_of_a_closed_node_hear(self, alice: Client, bob: Client) -> None:
        """4.5: a whitelist lets in who is on it."""
        create(alice, NODE, access_model="whitelist")
        publish(alice, NODE, A)
        assert told(bob) == []
        change = "<affiliation jid='bob@example.org' affiliation='member'/>"
        request(alice, "set", f"<affiliations node='{NODE}'>{change}</affiliations>", namespace=OWNER)
        publish(alice, NODE, A.format("x"))
        assert [entry[3] for entry in told(bob)] == ["x"]
