"""XEP-0163 Personal Eventing Protocol: who hears of what, on the real state machine."""

from __future__ import annotations

import pytest

from raftline.base.limits import CAPABILITY_NODE_COUNT_MAX
from xmpp_im.nodes import (
    INFO,
    PUBSUB,
    TUNE,
    answer_question,
    condition,
    events,
    form,
    friend_of,
    items,
    online,
    options,
    presence_of,
    publish,
    request,
    subscribe,
    told,
    version_of,
)
from xmpp_im.playbook import answer, tree
from xmpp_im.service import Client, Service

NODE = "http://jabber.org/protocol/tune"
ALICE = "alice@example.org"


@pytest.fixture
def alice(service: Service) -> Client:
    return online(service, "alice")


@pytest.fixture
def friend(service: Service, alice: Client) -> Client:
    """Bob, who sees Alice and wants to hear of her tunes."""
    return friend_of(service, alice, NODE)


class TestSection1HowItWorks:
    """1.2: an event reaches the contacts who want it, and the publisher's own devices."""

    def test_contacts_and_own_devices(self, service: Service, alice: Client, friend: Client) -> None:
        """Each session that wants the node hears once, by a headline to its full JID from the owner's bare one."""
        desk = online(service, "alice", "desk", wants=(NODE,))
        tablet = online(service, "bob", "tablet")
        for client in (desk, tablet, friend):
            client.take()
        publish(alice, NODE, TUNE.format("Introduction"), item_id="i1")
        for client in (friend, desk):
            [message] = events(client)
            assert message.attrib.items() >= {"from": ALICE, "to": str(client.jid), "type": "headline"}.items()
            assert message.get("id")
            item = message[0][0][0]
            assert (item.get("id"), item[0].tag, item[0][0].text) == ("i1", f"{{{NODE}}}tune", "Introduction")
        assert events(tablet) == events(alice) == []

    def test_what_nobody_wants(self, alice: Client, friend: Client) -> None:
        """A node that no session names is told to nobody."""
        publish(alice, "urn:other", "<a xmlns='urn:other'/>")
        assert events(friend) == []


class TestSection3Publishing:
    """3: nodes are made as they are needed."""

    def test_auto_create(self, alice: Client, friend: Client) -> None:
        """With the defaults of section 5: contacts see it, and one item is kept."""
        publish(alice, NODE, TUNE.format("one"), item_id="a")
        publish(alice, NODE, TUNE.format("two"), item_id="b")
        assert items(friend, NODE, to=ALICE) == [("b", "two")]

    def test_somebody_else_cannot_publish(self, alice: Client, friend: Client) -> None:
        """XEP-0060 7.1.3.1: the owner alone does."""
        content = f"<publish node='{NODE}'><item>{TUNE.format('x')}</item></publish>"
        assert condition(request(friend, "set", content, to=ALICE)) == ("forbidden", "auth")


class TestSection4Notifications:
    """4: who receives what."""

    def test_subscribed_from_alone(self, service: Service, alice: Client) -> None:
        """4 (2): who sees the owner hears, whether or not the owner sees them; who is merely seen does not."""
        bob, carol = online(service, "bob", wants=(NODE,)), online(service, "carol", wants=(NODE,))
        subscribe(bob, alice)
        subscribe(alice, carol)
        publish(alice, NODE, TUNE.format("x"))
        assert [len(told(client)) for client in (bob, carol)] == [1, 0]

    def test_none_to_who_is_blocked(self, alice: Client, friend: Client) -> None:
        """4.3.3 (3): nor from somebody that the receiver has blocked."""
        for blocker, blocked in ((alice, friend), (friend, alice)):
            jid = blocked.jid.bare
            blocker.write(f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{jid}'/></block></iq>")
            publish(alice, NODE, TUNE.format("x"))
            assert told(friend) == []
            blocker.write("<iq type='set' id='u'><unblock xmlns='urn:xmpp:blocking'/></iq>")
            friend.take()
            publish(alice, NODE, TUNE.format("y"))
            assert [entry[3] for entry in told(friend)] == ["y"]

    def test_one_resource_is_blocked(self, service: Service, alice: Client, friend: Client) -> None:
        """The others hear."""
        tablet = online(service, "bob", "tablet", wants=(NODE,))
        alice.write(f"<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='{friend.jid}'/></block></iq>")
        publish(alice, NODE, TUNE.format("x"))
        assert [len(told(client)) for client in (friend, tablet)] == [0, 1]

    def test_away(self, service: Service, alice: Client, friend: Client) -> None:
        """A session that is not available hears nothing, until it is again."""
        friend.write("<presence type='unavailable'/>")
        publish(alice, NODE, TUNE.format("x"), item_id="i")
        assert told(friend) == []
        friend.write(presence_of(f"{NODE}+notify"))
        assert told(friend) == [(ALICE, NODE, "item", "x")]

    @pytest.mark.parametrize(
        ("model", "hears"), [("open", True), ("presence", True), ("roster", False), ("whitelist", False)]
    )
    def test_access_models(self, alice: Client, friend: Client, model: str, *, hears: bool) -> None:
        """4 (2): who may not read the node is not told of it, and of no error."""
        publish(alice, NODE, TUNE.format("x"), item_id="i", extra=options(access_model=model))
        assert bool(told(friend)) is hears
        friend.write("<presence type='unavailable'/>")
        friend.write(presence_of(f"{NODE}+notify"))
        assert bool(told(friend)) is hears

    def test_roster_groups(self, alice: Client, friend: Client) -> None:
        """XEP-0060 9.1.2 (3): who is in a group that is named hears, and no longer when moved out of it."""
        publish(alice, NODE, TUNE.format("x"), extra=options(access_model="roster", roster_groups_allowed=("A", "B")))
        assert told(friend) == []
        for group, hears in (("B", True), ("C", False)):
            item = f"<item jid='bob@example.org'><group>{group}</group></item>"
            alice.write(f"<iq type='set' id='r'><query xmlns='jabber:iq:roster'>{item}</query></iq>")
            publish(alice, NODE, TUNE.format("x"))
            assert bool(told(friend)) is hears

    def test_the_end_of_a_subscription(self, alice: Client, friend: Client) -> None:
        """7.1: access is decided anew each time."""
        alice.write("<presence to='bob@example.org' type='unsubscribed'/>")
        friend.take()
        publish(alice, NODE, TUNE.format("x"))
        assert told(friend) == []
        assert condition(request(friend, "get", f"<items node='{NODE}'/>", to=ALICE)) == (
            "not-authorized",
            "presence-subscription-required",
            "auth",
        )


class TestSection434LastItem:
    """4.3.4: who comes is told the last item of each node, once."""

    @pytest.fixture
    def published(self, alice: Client, friend: Client) -> Client:
        publish(alice, NODE, TUNE.format("x"), item_id="i")
        friend.write("<presence type='unavailable'/>")
        friend.take()
        return friend

    def test_initial_presence(self, published: Client) -> None:
        """With since when it is there; presence that follows brings nothing (4.3.3, note)."""
        published.write(presence_of(f"{NODE}+notify"))
        [message] = events(published)
        assert message.find("{urn:xmpp:delay}delay") is not None
        published.write(presence_of(f"{NODE}+notify"))
        published.write(presence_of(f"{NODE}+notify").replace("<c ", "<show>away</show><c "))
        assert events(published) == []

    def test_a_hash_that_nobody_knows(self, published: Client) -> None:
        """The item comes when the client has answered."""
        features = (f"{NODE}+notify", "urn:x")
        published.write(presence_of(*features))
        assert not [data for data in published.sent if data.startswith(b"<message")]
        assert answer_question(published, *features)
        assert told(published) == [(ALICE, NODE, "item", "x")]

    def test_capabilities_that_change(self, alice: Client, published: Client) -> None:
        """Of the nodes that are new to the session, and no others."""
        publish(alice, "urn:n", "<a xmlns='urn:n'>n</a>")
        published.write(presence_of(f"{NODE}+notify"))
        published.take()
        features = (f"{NODE}+notify", "urn:n+notify")
        published.write(presence_of(*features))
        answer_question(published, *features)
        assert told(published) == [(ALICE, "urn:n", "item", "n")]

    @pytest.mark.one_process(reason="real nodes ask for a hash once, and other tests show it")
    def test_until_the_answer_the_former_interest_counts(self, alice: Client, published: Client) -> None:
        """A client that is asked goes on hearing of what it wanted."""
        published.write(presence_of(f"{NODE}+notify"))
        published.take()
        published.write(presence_of("urn:n+notify"))
        publish(alice, NODE, TUNE.format("y"))
        assert [message for message in published.sent if b"<message" in message]
        answer_question(published, "urn:n+notify")
        published.take()
        publish(alice, NODE, TUNE.format("z"))
        assert told(published) == []

    @pytest.mark.parametrize("model", ["never", "on_sub"])
    def test_nodes_that_do_not_send_it(self, alice: Client, published: Client, model: str) -> None:
        """XEP-0060 16.4.4: pubsub#send_last_published_item."""
        content = f"<configure node='{NODE}'>{form('node_config', send_last_published_item=model)}</configure>"
        assert condition(request(alice, "set", content, namespace=f"{PUBSUB}#owner")) == ()
        published.write(presence_of(f"{NODE}+notify"))
        assert told(published) == []

    def test_the_owner_itself(self, service: Service, published: Client) -> None:
        """A device of the account that comes is told as well."""
        assert published.jid.local == "bob"
        desk = online(service, "alice", "desk", wants=(NODE,))
        assert told(desk) == [(ALICE, NODE, "item", "x")]

    def test_a_subscription_that_is_granted(self, service: Service, alice: Client, published: Client) -> None:
        """4.3.4: the last item is sent to new subscribers."""
        assert published.jid.local == "bob"
        carol = online(service, "carol", wants=(NODE,))
        assert told(carol) == []
        subscribe(carol, alice)
        assert told(carol) == [(ALICE, NODE, "item", "x")]


class TestSection42Filter:
    """4.2, XEP-0060 9.2, XEP-0115: what a session wants to hear of is what its hash stands for."""

    def test_a_hash_is_asked_for_once(self, service: Service, alice: Client, friend: Client) -> None:
        """XEP-0115 5.4: a verified answer is good for every client that shows the hash."""
        carol = service.bind("carol")
        carol.write(presence_of(f"{NODE}+notify"))
        assert not answer_question(carol, f"{NODE}+notify")
        subscribe(carol, alice)
        publish(alice, NODE, TUNE.format("x"))
        assert [len(told(client)) for client in (friend, carol)] == [1, 1]

    def test_the_question(self, service: Service) -> None:
        """XEP-0115 6.2: of the server, for the node and hash that presence named."""
        bob = service.bind("bob")
        bob.write(presence_of("urn:f"))
        [question] = [tree(data) for data in bob.take() if data.startswith(b"<iq")]
        assert question.attrib.items() >= {"from": "example.org", "to": str(bob.jid), "type": "get"}.items()
        assert question.find(f"{{{INFO}}}query").get("node") == f"urn:c#{version_of('urn:f')}"

    @pytest.mark.one_process(reason="real nodes ask for a hash once, and other tests show it")
    @pytest.mark.parametrize(
        "extra",
        [
            "<feature var='urn:more'/>",
            "<feature var='urn:n+notify'/>",
            "<identity category='client' type='pc' name='x'/>",
        ],
        ids=["another hash", "a feature twice", "an identity twice"],
    )
    def test_an_answer_that_does_not_hold(self, service: Service, alice: Client, extra: str) -> None:
        """XEP-0115 5.4 (3.3 to 3.9): it is believed of the client that gave it, and of no other."""
        bob, carol = service.bind("bob"), service.bind("carol")
        for client in (bob, carol):
            subscribe(client, alice)
            client.write(presence_of("urn:n+notify"))
        assert answer_question(bob, "urn:n+notify", extra=extra)
        assert answer_question(carol)
        publish(alice, "urn:n", "<a xmlns='urn:n'/>")
        assert [len(told(client)) for client in (bob, carol)] == [1, 0]
        dave = online(service, "bob", "tablet")
        dave.write(presence_of("urn:n+notify"))
        assert answer_question(dave)

    @pytest.mark.parametrize("algorithm", ["", "hash='md5'"])
    def test_no_hash_that_can_be_checked(self, service: Service, alice: Client, algorithm: str) -> None:
        """XEP-0115 5.4 (1, 2): the client is asked, for itself alone."""
        bob, carol = service.bind("bob"), service.bind("carol")
        for client in (bob, carol):
            client.write(presence_of(version="1.2", algorithm=algorithm))
            assert answer_question(client, "urn:n+notify")
            subscribe(client, alice)
        publish(alice, "urn:n", "<a xmlns='urn:n'/>")
        assert [len(told(client)) for client in (bob, carol)] == [1, 1]

    def test_no_capabilities(self, service: Service, alice: Client, friend: Client) -> None:
        """Presence without them takes the interest away."""
        assert service
        friend.write("<presence/>")
        publish(alice, NODE, TUNE.format("x"))
        assert told(friend) == []

    def test_an_error_for_an_answer(self, service: Service) -> None:
        """A client that answers by an error is not asked again for the same presence."""
        bob = service.bind("bob")
        bob.write(presence_of("urn:f"))
        [question] = [tree(data) for data in bob.take() if data.startswith(b"<iq")]
        bob.write(f"<iq type='error' id='{question.get('id')}' to='example.org'><error type='cancel'/></iq>")
        bob.write(presence_of("urn:f"))
        assert [data for data in bob.take() if data.startswith(b"<iq")] == []

    def test_an_answer_that_nobody_waits_for(self, service: Service) -> None:
        """It is dropped in silence."""
        bob = service.bind("bob")
        bob.write("<iq type='result' id='none' to='example.org'/>")
        assert bob.take() == []

    @pytest.mark.parametrize("excess", [0, 1])
    def test_many_nodes(self, service: Service, alice: Client, excess: int) -> None:
        """Of more than a session may name, the first in order count."""
        features = tuple(f"urn:{number:04}+notify" for number in range(CAPABILITY_NODE_COUNT_MAX + excess))
        bob = service.bind("bob")
        subscribe(bob, alice)
        bob.write(presence_of(*features))
        answer_question(bob, *features)
        publish(alice, features[-1].removesuffix("+notify"), "<a xmlns='urn:n'/>")
        assert len(told(bob)) == 1 - excess


class TestSection6Support:
    """6: service discovery."""

    def test_of_the_account(self, alice: Client) -> None:
        """6.1: the identity pubsub/pep beside that of the account, and the features of XEP-0060."""
        alice.write(f"<iq type='get' id='d' to='{ALICE}'><query xmlns='{INFO}'/></iq>")
        query = answer(alice.take(), "d")[0]
        identities = [(entry.get("category"), entry.get("type")) for entry in query.iter(f"{{{INFO}}}identity")]
        assert identities == [("account", "registered"), ("pubsub", "pep")]
        features = {entry.get("var") for entry in query.iter(f"{{{INFO}}}feature")}
        names = "access-presence auto-create auto-subscribe config-node create-and-configure filtered-notifications"
        names += " persistent-items publish retrieve-items subscribe publish-options pubsub-on-a-jid delete-items"
        assert {f"{PUBSUB}#{name}" for name in names.split()} <= features

    def test_nodes(self, service: Service, alice: Client, friend: Client) -> None:
        """6.2: a contact is shown the nodes that it may read, the owner all, a stranger none."""
        publish(alice, NODE, TUNE.format("x"))
        publish(alice, "urn:private", "<a xmlns='urn:n'/>", extra=options(access_model="whitelist"))
        carol = online(service, "carol")
        shown = []
        for client in (alice, friend, carol):
            client.take()
            client.write(f"<iq type='get' id='d' to='{ALICE}'><query xmlns='{INFO.replace('info', 'items')}'/></iq>")
            shown.append([(item.get("jid"), item.get("node")) for item in tree(client.take()[-1])[0]])
        assert shown == [[(ALICE, NODE), (ALICE, "urn:private")], [(ALICE, NODE)], []]


class TestStorage:
    """What clients keep at nodes of their own making: XEP-0222, XEP-0223, XEP-0384."""

    def test_public_data(self, service: Service, alice: Client, friend: Client) -> None:
        """XEP-0222 3: persistent and open: everyone reads it, contacts hear of it; nothing is sent to who comes."""
        extra = options(persist_items="true", max_items="max", send_last_published_item="never", access_model="open")
        for item_id in ("1", "2"):
            assert condition(publish(alice, NODE, TUNE.format(item_id), item_id=item_id, extra=extra)) == ()
        assert [entry[3] for entry in told(friend)] == ["1", "2"]
        stranger = online(service, "carol", wants=(NODE,))
        assert items(stranger, NODE, to=ALICE) == [("1", "1"), ("2", "2")]
        assert told(stranger) == []

    def test_private_data(self, service: Service, alice: Client, friend: Client) -> None:
        """XEP-0223 3, 4: persistent and closed: the owner's devices alone hear of it and read it."""
        desk = online(service, "alice", "desk", wants=(NODE,))
        extra = options(persist_items="true", access_model="whitelist")
        assert condition(publish(alice, NODE, TUNE.format("x"), item_id="i", extra=extra)) == ()
        assert [len(told(client)) for client in (desk, friend)] == [1, 0]
        assert items(desk, NODE) == [("i", "x")]
        assert condition(request(friend, "get", f"<items node='{NODE}'/>", to=ALICE)) == (
            "not-allowed",
            "closed-node",
            "cancel",
        )

    @pytest.mark.parametrize(
        ("devices", "bundles"),
        [
            ("eu.siacs.conversations.axolotl.devicelist", "eu.siacs.conversations.axolotl.bundles:{}"),
            ("urn:xmpp:omemo:2:devices", "urn:xmpp:omemo:2:bundles"),
        ],
    )
    def test_keys_of_devices(self, service: Service, alice: Client, devices: str, bundles: str) -> None:
        """XEP-0384 5.3: a list and a bundle for each device, in the old form and the new, for strangers too."""
        extra = options(persist_items="true", max_items="max", access_model="open")
        publish(alice, devices, "<list xmlns='urn:x'>7 8</list>", item_id="current", extra=extra)
        for device in ("7", "8"):
            node = bundles.format(device)
            payload = f"<bundle xmlns='urn:x'>keys of {device}</bundle>"
            assert condition(publish(alice, node, payload, item_id=device, extra=extra)) == ()
        stranger = online(service, "carol", wants=(devices,))
        assert items(stranger, devices, to=ALICE) == [("current", "7 8")]
        found = request(stranger, "get", f"<items node='{bundles.format('8')}'><item id='8'/></items>", to=ALICE)
        assert "".join(found.itertext()) == "keys of 8"
        subscribe(stranger, alice)
        assert told(stranger) == [(ALICE, devices, "item", "7 8")]
