"""XEP-0060 Publish-Subscribe, sections 5 to 7: requests and their errors, on the real state machine."""

from __future__ import annotations

import pytest

from raftline.base.limits import (
    PUBSUB_ACCOUNT_SIZE_MAX,
    PUBSUB_ITEM_SIZE_MAX,
    PUBSUB_NAME_SIZE_MAX,
    PUBSUB_PAGE_BYTES_MAX,
    PUBSUB_SUBSCRIPTION_COUNT_MAX,
)
from raftline.machine.pubsub import items as machine_items
from raftline.machine.pubsub import subscribers
from raftline.xmpp.payloads import parse_timestamp
from xmpp_im.nodes import (
    INFO,
    OWNER,
    PUBSUB,
    condition,
    configuration,
    configure,
    create,
    events,
    form,
    friend_of,
    items,
    online,
    options,
    publish,
    request,
    told,
)
from xmpp_im.playbook import tree
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


class TestSection5Discovery:
    """5.3 to 5.6."""

    def test_a_node(self, alice: Client, bob: Client) -> None:
        """5.3, 5.4: identity pubsub/leaf, and metadata."""
        create(alice, NODE, title="Tunes", access_model="open")
        for client in (alice, bob):
            client.write(f"<iq type='get' id='d' to='{ALICE}'><query xmlns='{INFO}' node='{NODE}'/></iq>")
            query = tree(client.take()[-1])[0]
            assert (query.get("node"), query[0].attrib) == (NODE, {"category": "pubsub", "type": "leaf"})
            values = {field.get("var"): field[0].text for field in query.iter("{jabber:x:data}field")}
            assert (values["pubsub#title"], values["pubsub#creator"]) == ("Tunes", ALICE)
            assert parse_timestamp(str(values["pubsub#creation_date"])) > 0

    def test_items_of_a_node(self, alice: Client) -> None:
        """5.5: names, and no nodes."""
        publish(alice, NODE, A, item_id="i")
        alice.write(f"<iq type='get' id='d'><query xmlns='{INFO.replace('info', 'items')}' node='{NODE}'/></iq>")
        assert [entry.attrib for entry in tree(alice.take()[-1])[0]] == [{"jid": ALICE, "name": "i"}]

    def test_what_is_closed_to_a_contact(self, alice: Client, bob: Client) -> None:
        """The error of the access model; a node that is not there is not found."""
        create(alice, NODE, access_model="whitelist")
        for node, expected in ((NODE, "not-allowed"), ("urn:none", "item-not-found")):
            for kind in ("info", "items"):
                query = f"<query xmlns='{INFO.replace('info', kind)}' node='{node}'/>"
                bob.write(f"<iq type='get' id='d' to='{ALICE}'>{query}</iq>")
                assert condition(tree(bob.take()[-1]))[0] == expected

    def test_subscriptions(self, alice: Client, stranger: Client) -> None:
        """5.6: one's own, at all nodes or at one."""
        create(alice, NODE, access_model="open")
        request(stranger, "set", f"<subscribe node='{NODE}' jid='carol@example.org'/>", to=ALICE)
        for attributes in ("", f"node='{NODE}'"):
            reply = request(stranger, "get", f"<subscriptions {attributes}/>", to=ALICE)
            assert [entry.attrib for entry in reply[0][0]] == [
                {"node": NODE, "jid": "carol@example.org", "subscription": "subscribed"}
            ]
        assert len(request(stranger, "get", "<subscriptions node='urn:x'/>", to=ALICE)[0][0]) == 0
        assert len(request(alice, "get", "<subscriptions/>")[0][0]) == 0

    @pytest.mark.parametrize(
        ("kind", "element", "feature"),
        [
            ("get", "affiliations", "retrieve-affiliations"),
            ("get", "options", "subscription-options"),
            ("get", "default", "retrieve-default-sub"),
            ("set", "options", "subscription-options"),
        ],
    )
    def test_what_is_not_supported(self, alice: Client, kind: str, element: str, feature: str) -> None:
        """5.7, 6.3, 6.4: the feature is named."""
        reply = request(alice, kind, f"<{element} node='{NODE}'/>")
        assert condition(reply) == ("feature-not-implemented", "unsupported", "cancel")
        assert reply.find(f".//{{{PUBSUB}#errors}}unsupported").get("feature") == feature

    @pytest.mark.parametrize("content", ["", "<x xmlns='urn:x'/>"])
    @pytest.mark.parametrize("namespace", [PUBSUB, OWNER])
    @pytest.mark.parametrize("kind", ["get", "set"])
    def test_what_asks_for_nothing(self, alice: Client, kind: str, namespace: str, content: str) -> None:
        """A request has an element of its own namespace."""
        assert condition(request(alice, kind, content, namespace=namespace)) == ("bad-request", "modify")


class TestSection61Subscribe:
    """6.1."""

    def test_by_bare_and_full_jid(self, service: Service, alice: Client, stranger: Client) -> None:
        """6.1.2, XEP-0163 4.3.2: all that take messages to the bare JID hear, or the one session."""
        create(alice, NODE, access_model="open")
        tablet = online(service, "carol", "tablet")
        reply = request(stranger, "set", f"<subscribe node='{NODE}' jid='carol@example.org'/>", to=ALICE)
        assert reply[0][0].attrib == {"node": NODE, "jid": "carol@example.org", "subscription": "subscribed"}
        publish(alice, NODE, A.format("1"))
        assert [len(told(client)) for client in (stranger, tablet)] == [1, 1]
        request(stranger, "set", f"<unsubscribe node='{NODE}' jid='carol@example.org'/>", to=ALICE)
        request(stranger, "set", f"<subscribe node='{NODE}' jid='{tablet.jid}'/>", to=ALICE)
        assert [[entry[3] for entry in told(client)] for client in (stranger, tablet)] == [[], ["1"]]
        publish(alice, NODE, A.format("2"))
        assert [len(told(client)) for client in (stranger, tablet)] == [0, 1]

    def test_a_contact_is_told_once(self, alice: Client, bob: Client) -> None:
        """Whoever subscribed by name beside what presence gives, the owner too, hears each change once."""
        create(alice, NODE, access_model="open")
        for client in (alice, bob):
            request(client, "set", f"<subscribe node='{NODE}' jid='{client.jid.bare}'/>", to=ALICE)
        publish(alice, NODE, A)
        assert [len(told(client)) for client in (alice, bob)] == [1, 1]

    def test_the_last_item(self, alice: Client, stranger: Client) -> None:
        """6.1.7: sent to who subscribes, unless the node never does."""
        create(alice, NODE, access_model="open")
        publish(alice, NODE, A.format("x"), item_id="i")
        request(stranger, "set", f"<subscribe node='{NODE}' jid='{stranger.jid}'/>", to=ALICE)
        assert told(stranger) == [(ALICE, NODE, "item", "x")]
        configure(alice, NODE, send_last_published_item="never")
        request(stranger, "set", f"<subscribe node='{NODE}' jid='{stranger.jid.bare}'/>", to=ALICE)
        assert told(stranger) == []

    @pytest.mark.parametrize("jid", ["bob@example.org", "bob@example.org/x", "@@", ""])
    def test_jids_do_not_match(self, alice: Client, stranger: Client, jid: str) -> None:
        """6.1.3.1."""
        create(alice, NODE, access_model="open")
        reply = request(stranger, "set", f"<subscribe node='{NODE}' jid='{jid}'/>", to=ALICE)
        assert condition(reply) == ("bad-request", "invalid-jid", "modify")

    @pytest.mark.parametrize(
        ("model", "expected"),
        [
            ("presence", ("not-authorized", "presence-subscription-required", "auth")),
            ("roster", ("not-authorized", "not-in-roster-group", "auth")),
            ("whitelist", ("not-allowed", "closed-node", "cancel")),
        ],
    )
    @pytest.mark.parametrize("element", ["subscribe", "items"])
    def test_access(self, alice: Client, stranger: Client, model: str, expected: tuple[str, ...], element: str) -> None:
        """6.1.3.2 to 6.1.3.4, 6.5.9.6 to 6.5.9.8; a member may all the same, an outcast may not (6.1.3.8, 6.5.9.10)."""
        create(alice, NODE, access_model=model)
        kind = "set" if element == "subscribe" else "get"
        content = f"<{element} node='{NODE}' jid='carol@example.org'/>"
        assert condition(request(stranger, kind, content, to=ALICE)) == expected
        for affiliation, outcome in (("member", ()), ("outcast", ("forbidden", "auth")), ("none", expected)):
            change = f"<affiliation jid='carol@example.org' affiliation='{affiliation}'/>"
            content_of = f"<affiliations node='{NODE}'>{change}</affiliations>"
            assert condition(request(alice, "set", content_of, namespace=OWNER)) == ()
            assert condition(request(stranger, kind, content, to=ALICE)) == outcome

    @pytest.mark.parametrize("to", [ALICE, "nobody@example.org"])
    def test_no_node(self, alice: Client, stranger: Client, to: str) -> None:
        """6.1.3.12: nor is there one of an account that does not exist."""
        assert alice
        reply = request(stranger, "set", f"<subscribe node='{NODE}' jid='carol@example.org'/>", to=to)
        assert condition(reply) == ("item-not-found", "cancel")
        reply = request(stranger, "set", "<subscribe jid='carol@example.org'/>", to=to)
        assert condition(reply) == ("bad-request", "nodeid-required", "modify")

    @pytest.mark.one_process(reason="a limit is made small")
    def test_too_many(self, alice: Client, stranger: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """6.1.3.9; one that is there may be asked for again."""
        assert PUBSUB_SUBSCRIPTION_COUNT_MAX > 1
        monkeypatch.setattr(subscribers, "PUBSUB_SUBSCRIPTION_COUNT_MAX", 1)
        create(alice, NODE, access_model="open")
        for jid, expected in (
            ("carol@example.org", ()),
            ("carol@example.org", ()),
            (str(stranger.jid), ("policy-violation", "too-many-subscriptions", "wait")),
        ):
            reply = request(stranger, "set", f"<subscribe node='{NODE}' jid='{jid}'/>", to=ALICE)
            assert condition(reply) == expected

    def test_access_that_is_lost(self, alice: Client, bob: Client) -> None:
        """XEP-0163 7.1: the subscription ends with it, however that comes, and does not come back."""
        create(alice, NODE, access_model="presence")

        def subscribed() -> bool:
            return len(request(bob, "get", "<subscriptions/>", to=ALICE)[0][0]) == 1

        def subscribe() -> None:
            content = f"<subscribe node='{NODE}' jid='bob@example.org'/>"
            assert condition(request(bob, "set", content, to=ALICE)) == ()
            assert subscribed()

        subscribe()
        configure(alice, NODE, access_model="whitelist")
        assert not subscribed()
        configure(alice, NODE, access_model="presence")
        subscribe()
        outcast = f"<affiliations node='{NODE}'><affiliation jid='bob@example.org' affiliation='{{}}'/></affiliations>"
        request(alice, "set", outcast.format("outcast"), namespace=OWNER)
        assert not subscribed()
        request(alice, "set", outcast.format("none"), namespace=OWNER)
        subscribe()
        alice.write("<presence to='bob@example.org' type='unsubscribed'/>")
        assert not subscribed()


class TestSection62Unsubscribe:
    """6.2.3."""

    def test_no_such_subscriber(self, alice: Client, stranger: Client) -> None:
        """6.2.3.2."""
        create(alice, NODE, access_model="open")
        reply = request(stranger, "set", f"<unsubscribe node='{NODE}' jid='carol@example.org'/>", to=ALICE)
        assert condition(reply) == ("unexpected-request", "not-subscribed", "cancel")

    def test_somebody_else(self, alice: Client, stranger: Client) -> None:
        """6.2.3.3."""
        create(alice, NODE, access_model="open")
        reply = request(stranger, "set", f"<unsubscribe node='{NODE}' jid='bob@example.org'/>", to=ALICE)
        assert condition(reply) == ("forbidden", "auth")

    def test_no_node(self, alice: Client, stranger: Client) -> None:
        """6.2.3.4."""
        assert alice
        reply = request(stranger, "set", f"<unsubscribe node='{NODE}' jid='carol@example.org'/>", to=ALICE)
        assert condition(reply) == ("item-not-found", "cancel")


class TestSection65Retrieve:
    """6.5."""

    @pytest.fixture
    def filled(self, alice: Client) -> Client:
        create(alice, NODE, max_items="max")
        for name in "abc":
            publish(alice, NODE, A.format(name.upper()), item_id=name)
        return alice

    def test_all(self, filled: Client) -> None:
        """6.5.3: in the order of publication; one that is published again is the latest."""
        publish(filled, NODE, A.format("AA"), item_id="a")
        assert items(filled, NODE) == [("b", "B"), ("c", "C"), ("a", "AA")]

    def test_the_most_recent(self, filled: Client) -> None:
        """6.5.7; if there are fewer, all."""
        assert items(filled, NODE, attributes="max_items='2'") == [("b", "B"), ("c", "C")]
        assert len(items(filled, NODE, attributes="max_items='9'")) == 3

    @pytest.mark.parametrize("number", ["0", "-1", "x", ""])
    def test_no_number(self, filled: Client, number: str) -> None:
        """A number of items is one."""
        reply = request(filled, "get", f"<items node='{NODE}' max_items='{number}'/>")
        assert condition(reply) == ("bad-request", "modify")

    def test_by_id(self, filled: Client) -> None:
        """6.5.8: in the order asked for; what is not there is left out (6.5.9.12)."""
        content = f"<items node='{NODE}'><item id='c'/><item id='x'/><item id='a'/></items>"
        assert [item.get("id") for item in request(filled, "get", content)[0][0]] == ["c", "a"]
        assert len(request(filled, "get", f"<items node='{NODE}'><item id='x'/></items>")[0][0]) == 0
        reply = request(filled, "get", f"<items node='{NODE}'><item/></items>")
        assert condition(reply) == ("bad-request", "modify")

    def test_no_items(self, alice: Client) -> None:
        """6.5.9.12: an empty element."""
        create(alice, NODE)
        assert items(alice, NODE) == []

    def test_no_node(self, alice: Client) -> None:
        """6.5.9.11."""
        assert condition(request(alice, "get", f"<items node='{NODE}'/>")) == ("item-not-found", "cancel")
        assert condition(request(alice, "get", "<items/>")) == ("bad-request", "nodeid-required", "modify")

    @pytest.mark.parametrize(
        ("asked", "ids", "index"),
        [
            ("<max>2</max>", "ab", "0"),
            ("<max>2</max><after>a</after>", "bc", "1"),
            ("<max>2</max><before/>", "bc", "1"),
            ("<max>1</max><before>c</before>", "b", "1"),
            ("<after>c</after>", "", None),
            ("<max>0</max>", "", None),
        ],
    )
    def test_pages(self, filled: Client, asked: str, ids: str, index: str | None) -> None:
        """6.5.4, XEP-0059: forward, backward, and the count alone."""
        rsm = "http://jabber.org/protocol/rsm"
        reply = request(filled, "get", f"<items node='{NODE}'/><set xmlns='{rsm}'>{asked}</set>")
        assert "".join(item.get("id", "") for item in reply[0][0]) == ids
        first = reply[0][1].find(f"{{{rsm}}}first")
        assert (None if first is None else (first.text, first.get("index"))) == ((ids[0], index) if ids else None)
        assert reply[0][1].findtext(f"{{{rsm}}}count") == "3"

    def test_a_page_after_nothing(self, filled: Client) -> None:
        """XEP-0059 2.3: an item that is not there is nothing to go on from."""
        content = f"<items node='{NODE}'/><set xmlns='http://jabber.org/protocol/rsm'><after>x</after></set>"
        assert condition(request(filled, "get", content)) == ("item-not-found", "cancel")

    def test_some(self, alice: Client) -> None:
        """6.5.4: as many of the latest as one answer holds, with the count of all."""
        create(alice, NODE, max_items="max")
        size = PUBSUB_ITEM_SIZE_MAX - 100
        count = PUBSUB_PAGE_BYTES_MAX // size
        for number in range(count + 1):
            publish(alice, NODE, A.format("x" * size), item_id=f"i{number}")
        reply = request(alice, "get", f"<items node='{NODE}'/>")
        assert [item.get("id") for item in reply[0][0]] == [f"i{number}" for number in range(1, count + 1)]
        page = reply[0].find("{http://jabber.org/protocol/rsm}set")
        assert page.findtext("{http://jabber.org/protocol/rsm}count") == str(count + 1)


class TestSection71Publish:
    """7.1."""

    def test_ids(self, alice: Client) -> None:
        """7.1.2: the answer tells the id, whoever chose it."""
        reply = publish(alice, NODE, A, item_id="mine")
        assert (reply[0][0].tag, reply[0][0].get("node")) == (f"{{{PUBSUB}}}publish", NODE)
        assert reply[0][0][0].get("id") == "mine"
        given = publish(alice, NODE, A)[0][0][0].get("id")
        assert [item_id for item_id, _ in items(alice, NODE)] == [given]

    def test_an_item_is_replaced(self, alice: Client, bob: Client) -> None:
        """7.1.3: a known id overwrites, and is told again."""
        create(alice, NODE, max_items="5")
        publish(alice, NODE, A.format("1"), item_id="i")
        publish(alice, NODE, A.format("2"), item_id="i")
        assert items(alice, NODE) == [("i", "2")]
        assert [entry[3] for entry in told(bob)] == ["1", "2"]

    def test_without_payloads(self, alice: Client, bob: Client) -> None:
        """7.1.2.2: the item is named, and kept whole."""
        create(alice, NODE, deliver_payloads="0")
        publish(alice, NODE, A.format("x"), item_id="i")
        [message] = events(bob)
        assert (message[0][0][0].get("id"), len(message[0][0][0])) == ("i", 0)
        assert items(alice, NODE) == [("i", "x")]

    def test_without_notifications(self, alice: Client, bob: Client) -> None:
        """16.4.4: pubsub#deliver_notifications."""
        create(alice, NODE, deliver_notifications="0")
        publish(alice, NODE, A)
        assert events(bob) == []

    def test_messages_of_type_normal(self, alice: Client, bob: Client) -> None:
        """16.4.4: pubsub#notification_type."""
        create(alice, NODE, notification_type="normal")
        publish(alice, NODE, A)
        assert events(bob)[0].get("type") is None

    def test_transient(self, alice: Client, bob: Client) -> None:
        """4.3: items of a node that does not persist them are told and forgotten."""
        create(alice, NODE, persist_items="0")
        publish(alice, NODE, A.format("x"), item_id="i")
        assert [entry[3] for entry in told(bob)] == ["x"]
        assert items(alice, NODE) == []

    @pytest.mark.parametrize(
        ("fields", "item", "expected"),
        [
            ({}, "", "item-required"),
            ({}, "<item id='i'/>", "payload-required"),
            ({"deliver_payloads": "0"}, "<item id='i'/>", None),
            ({"deliver_payloads": "0"}, "", "item-required"),
            ({"persist_items": "0"}, "", "payload-required"),
            ({"persist_items": "0", "deliver_payloads": "0"}, "", None),
            ({"persist_items": "0", "deliver_payloads": "0"}, "<item id='i'/>", "item-forbidden"),
            ({}, "<item><a xmlns='urn:a'/><b xmlns='urn:b'/></item>", "invalid-payload"),
            ({}, "<item><a xmlns=''/></item>", "invalid-payload"),
            ({}, "<item id='1'/><item id='2'/>", "max-items-exceeded"),
        ],
    )
    def test_event_types(self, alice: Client, fields: dict[str, str], item: str, expected: str | None) -> None:
        """7.1.3.6, 7.1.3.7."""
        create(alice, NODE, **fields)
        reply = request(alice, "set", f"<publish node='{NODE}'>{item}</publish>")
        assert condition(reply) == (("bad-request", expected, "modify") if expected else ())

    def test_no_node(self, alice: Client) -> None:
        """A publication names one."""
        reply = request(alice, "set", "<publish><item/></publish>")
        assert condition(reply) == ("bad-request", "nodeid-required", "modify")

    @pytest.mark.parametrize("excess", [0, 1])
    def test_payload_too_big(self, alice: Client, excess: int) -> None:
        """7.1.3.5, both sides of the limit."""
        padding = PUBSUB_ITEM_SIZE_MAX - len(A.format(""))
        reply = publish(alice, NODE, A.format("x" * (padding + excess)))
        assert condition(reply) == (("not-acceptable", "payload-too-big", "modify") if excess else ())

    @pytest.mark.parametrize("excess", [0, 1])
    @pytest.mark.parametrize("what", ["node", "item"])
    def test_names_too_long(self, alice: Client, what: str, excess: int) -> None:
        """Of nodes and of items, both sides of the limit."""
        name = "x" * (PUBSUB_NAME_SIZE_MAX + excess)
        reply = publish(alice, name if what == "node" else NODE, A, item_id=name if what == "item" else "i")
        assert condition(reply) == (("not-acceptable", "modify") if excess else ())

    def test_the_oldest_item_goes(self, alice: Client) -> None:
        """7.1.2.5: a node keeps so many; `max` is what the service keeps."""
        create(alice, NODE, max_items="2")
        for name in "abc":
            publish(alice, NODE, A.format(name), item_id=name)
        assert [item_id for item_id, _ in items(alice, NODE)] == ["b", "c"]
        configure(alice, NODE, max_items="1")
        assert [item_id for item_id, _ in items(alice, NODE)] == ["c"]

    @pytest.mark.one_process(reason="a limit is made small")
    def test_all_items_of_an_account(self, alice: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """Beyond the limit a publication is refused, until something goes; what it replaces does not count."""
        assert PUBSUB_ACCOUNT_SIZE_MAX > 100
        monkeypatch.setattr(machine_items, "PUBSUB_ACCOUNT_SIZE_MAX", 2 * len("i" + A.format("1")))
        for node in ("urn:1", "urn:2", "urn:1"):
            assert condition(publish(alice, node, A.format("1"), item_id="i")) == ()
        assert condition(publish(alice, "urn:3", A.format("1"), item_id="i")) == ("resource-constraint", "wait")
        assert condition(request(alice, "get", "<items node='urn:3'/>")) == ("item-not-found", "cancel")
        request(alice, "set", "<delete node='urn:1'/>", namespace=OWNER)
        assert condition(publish(alice, "urn:3", A.format("1"), item_id="i")) == ()


class TestSection715Options:
    """7.1.5: preconditions, which make a node where there is none."""

    def test_a_node_is_made(self, alice: Client) -> None:
        """(3): with these options and the defaults for all else."""
        extra = options(
            access_model="whitelist", persist_items="true", max_items="max", send_last_published_item="never"
        )
        assert condition(publish(alice, NODE, A, extra=extra)) == ()
        found = configuration(alice, NODE)
        assert {name: found[name] for name in ("access_model", "max_items", "send_last_published_item")} == {
            "access_model": ["whitelist"],
            "max_items": ["max"],
            "send_last_published_item": ["never"],
        }
        assert found["notify_retract"] == ["true"]

    @pytest.mark.parametrize(
        ("name", "value", "met"),
        [
            ("access_model", "presence", True),
            ("access_model", "open", False),
            ("access_model", "magic", False),
            ("max_items", "1", True),
            ("max_items", "max", False),
            ("max_items", "many", False),
            ("persist_items", "1", True),
            ("persist_items", "false", False),
            ("publish_model", "publishers", True),
            ("publish_model", "open", False),
            ("send_last_published_item", "on_sub_and_presence", True),
            ("title", "x", False),
            ("no_such_field", "1", False),
        ],
    )
    def test_a_node_that_is_there(self, alice: Client, bob: Client, name: str, value: str, *, met: bool) -> None:
        """(1), (2); a field that is unknown is never met, and the node stays as it is."""
        publish(alice, NODE, A.format("1"), item_id="i")
        before = configuration(alice, NODE)
        reply = publish(alice, NODE, A.format("2"), item_id="i", extra=options(**{name: value}))
        assert condition(reply) == (() if met else ("conflict", "precondition-not-met", "cancel"))
        assert items(alice, NODE) == [("i", "2" if met else "1")]
        assert len(told(bob)) == 1 + met
        assert configuration(alice, NODE) == before

    def test_a_node_that_cannot_be(self, alice: Client) -> None:
        """A field that is unknown makes no node; nor does an access model that is."""
        assert condition(publish(alice, NODE, A, extra=options(no_such_field="1")))[0] == "conflict"
        reply = publish(alice, NODE, A, extra=options(access_model="authorize"))
        assert condition(reply) == ("not-acceptable", "unsupported-access-model", "modify")
        assert condition(request(alice, "get", f"<items node='{NODE}'/>")) == ("item-not-found", "cancel")

    def test_forms_that_are_none(self, alice: Client) -> None:
        """The FORM_TYPE is that of options; a form that is no submission is refused."""
        for other in (form("node_config"), form("publish-options").replace("submit", "form")):
            reply = publish(alice, NODE, A, extra=f"<publish-options>{other}</publish-options>")
            assert condition(reply) == ("bad-request", "modify")


class TestSection72Retract:
    """7.2."""

    @pytest.mark.parametrize("notify", ["", "notify='true'", "notify='1'"])
    @pytest.mark.parametrize("configured", ["0", "1"])
    def test_an_item(self, alice: Client, bob: Client, notify: str, configured: str) -> None:
        """7.2.2.1: it is gone; who wanted to hear hears if the publisher or the node wants so."""
        create(alice, NODE, max_items="5", notify_retract=configured)
        publish(alice, NODE, A, item_id="i")
        publish(alice, NODE, A.format("kept"), item_id="j")
        bob.take()
        content = f"<retract node='{NODE}' {notify}><item id='i'/></retract>"
        assert condition(request(alice, "set", content)) == ()
        assert items(alice, NODE) == [("j", "kept")]
        assert told(bob) == ([(ALICE, NODE, "retract", "i")] if notify or configured == "1" else [])

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (f"<retract node='{NODE}'><item id='x'/></retract>", ("item-not-found", "cancel")),
            ("<retract node='urn:none'><item id='i'/></retract>", ("item-not-found", "cancel")),
            ("<retract><item id='i'/></retract>", ("bad-request", "nodeid-required", "modify")),
            (f"<retract node='{NODE}'/>", ("bad-request", "item-required", "modify")),
            (f"<retract node='{NODE}'><item/></retract>", ("bad-request", "item-required", "modify")),
            (
                f"<retract node='{NODE}'><item id='i'/><item id='j'/></retract>",
                ("bad-request", "item-required", "modify"),
            ),
        ],
    )
    def test_errors(self, alice: Client, content: str, expected: tuple[str, ...]) -> None:
        """7.2.3.2 to 7.2.3.4."""
        publish(alice, NODE, A, item_id="i")
        assert condition(request(alice, "set", content)) == expected

    def test_nodes_without_items(self, alice: Client) -> None:
        """7.2.3.5, 8.5.3.3: the feature that is missing is named."""
        create(alice, NODE, persist_items="0")
        for content, namespace in (
            (f"<retract node='{NODE}'><item id='i'/></retract>", PUBSUB),
            (f"<purge node='{NODE}'/>", OWNER),
        ):
            reply = request(alice, "set", content, namespace=namespace)
            assert condition(reply) == ("feature-not-implemented", "unsupported", "cancel")
            assert reply.find(f".//{{{PUBSUB}#errors}}unsupported").get("feature") == "persistent-items"

    def test_somebody_else(self, alice: Client, bob: Client) -> None:
        """7.2.3.1."""
        publish(alice, NODE, A, item_id="i")
        reply = request(bob, "set", f"<retract node='{NODE}'><item id='i'/></retract>", to=ALICE)
        assert condition(reply) == ("forbidden", "auth")
