"""XEP-0357 Push Notifications, by section, over the real state machine."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import pytest

from raftline.base.ids import Epochs
from raftline.base.limits import PUSH_NODE_SIZE_MAX, PUSH_OPTIONS_SIZE_MAX, PUSH_REGISTRATION_COUNT_MAX
from raftline.machine.push.answers import WaitingNotification
from raftline.machine.push.queries import PushNotifications, PushServices
from raftline.xmpp.push import BODY_SIZE_MAX, Disclosure, NotificationName, read_request_id, write_publication
from xmpp_core.components import HOST, LABEL, Component
from xmpp_im.conversations import error_of, take
from xmpp_im.playbook import DOMAIN, EPOCH, tree
from xmpp_im.service import Client, Service

pytestmark = pytest.mark.one_process(reason="what waits for a service is read from the machine")

APP = "maker@example.org/app"
PUSH = "urn:xmpp:push:0"
FORM = "{jabber:x:data}"
PUBSUB = "{http://jabber.org/protocol/pubsub}"
OPTIONS = (
    "<x xmlns='jabber:x:data' type='submit'>"
    "<field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
    "<field var='secret'><value>s3&lt;cret</value></field></x>"
)
ENCRYPTED = "<encrypted xmlns='eu.siacs.conversations.axolotl'/><body>This is encrypted.</body>"


@pytest.fixture
def service() -> Service:
    """Two people, and who makes an app."""
    return Service("alice", "bob", "maker")


@pytest.fixture
def phone(service: Service) -> Client:
    """Bob's phone."""
    return service.bind("bob", "phone")


@pytest.fixture
def app(service: Service) -> Client:
    """The application server, which is a client."""
    return service.bind("maker", "app")


def request(client: Client, payload: str, to: str = "") -> str:
    """Send a request; return the condition of its error, empty for a result."""
    client.take()
    client.write(f"<iq type='set' id='e'{to}>{payload}</iq>")
    if b"type='error'" in client.sent[-1]:
        return error_of(client)
    [reply] = take(client)
    assert (reply.get("type"), reply.get("id"), len(reply)) == ("result", "e", 0)
    return ""


def enable(client: Client, node: str = "n1", content: str = "", jid: str = APP) -> str:
    return request(client, f"<enable xmlns='{PUSH}' jid='{jid}' node='{node}'>{content}</enable>")


def waiting(service: Service) -> list[tuple[str, WaitingNotification]]:
    """What is to be published, and where."""
    names = service.machine.answer(PushServices())
    assert isinstance(names, tuple)
    found: list[tuple[str, WaitingNotification]] = []
    for name in names:
        rows = service.machine.answer(PushNotifications(str(name), service.time_ms, 100, with_message=True))
        assert isinstance(rows, list)
        found += [(str(name), row) for row in rows if isinstance(row, WaitingNotification)]
    return found


def published(service: Service, disclosure: Disclosure | None = None) -> list[Element]:
    """The requests that publish what waits."""
    return [
        tree(
            write_publication(
                row, name, domain=DOMAIN, epochs=Epochs(EPOCH), disclosure=disclosure or Disclosure(sender=True)
            )
        )
        for name, row in waiting(service)
    ]


def summary(publication: Element) -> dict[str, str | None]:
    """The values of a notification's form."""
    form = publication.find(f".//{{{PUSH}}}notification/{FORM}x")
    assert form is not None
    assert form.get("type") == "submit"
    return {field.get("var", ""): field[0].text for field in form}


def send(alice: Client, inner: str = "<body>tea?</body>") -> None:
    """Send something to bob."""
    alice.write(f"<message to='bob@example.org' type='chat' id='m'>{inner}</message>")


def missed(service: Service, phone: Client, inner: str = "<body>tea?</body>") -> Client:
    """Let the phone go, and somebody write; returns who wrote."""
    phone.end()
    alice = service.bind("alice", "desk")
    send(alice, inner)
    return alice


class TestSection41:
    """4.1. Account owner service discovery."""

    def test_the_account_has_the_feature(self, phone: Client) -> None:
        """Asked for at the user's bare JID."""
        phone.write(
            "<iq type='get' id='d' to='bob@example.org'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        )
        [reply] = take(phone)
        assert PUSH in {feature.get("var") for feature in reply.iter("{http://jabber.org/protocol/disco#info}feature")}


class TestSection5:
    """5. Enabling notifications."""

    def test_enabling(self, service: Service, phone: Client) -> None:
        """An empty result, and the device is told from then on."""
        assert enable(phone) == ""
        missed(service, phone)
        [(name, row)] = waiting(service)
        assert (name, row.node) == (APP, "n1")

    def test_at_the_own_bare_address(self, service: Service, phone: Client) -> None:
        """Said or not, it is the user's account; a node need not be named."""
        assert request(phone, f"<enable xmlns='{PUSH}' jid='{APP}'/>", " to='bob@example.org'") == ""
        missed(service, phone)
        [publication] = published(service)
        [publish] = publication.iter(f"{PUBSUB}publish")
        assert publish.get("node") is None

    def test_of_another_account(self, phone: Client) -> None:
        """Forbidden."""
        assert request(phone, f"<enable xmlns='{PUSH}' jid='{APP}'/>", " to='alice@example.org'") == "forbidden"

    @pytest.mark.parametrize(
        ("payload", "condition"),
        [
            ("", "bad-request"),
            (" jid=''", "bad-request"),
            (" jid='@example.org'", "jid-malformed"),
            (" jid='push.elsewhere.example'", "remote-server-not-found"),
            (" jid='maker@elsewhere.example/app'", "remote-server-not-found"),
            (" jid='notexample.org'", "remote-server-not-found"),
            (" jid='example.org'", "service-unavailable"),
            (" jid='maker@example.org'", "service-unavailable"),
            (" jid='conference.example.org'", "service-unavailable"),
        ],
    )
    def test_services_that_cannot_be(self, phone: Client, payload: str, condition: str) -> None:
        """None, no address, one out of reach, one where no service is."""
        assert request(phone, f"<enable xmlns='{PUSH}' node='n'{payload}/>") == condition

    @pytest.mark.parametrize(
        "form",
        [
            OPTIONS * 2,
            OPTIONS.replace("publish-options", "node_config"),
            OPTIONS.replace("submit", "form"),
            "<x xmlns='jabber:x:data' type='submit'/>",
        ],
    )
    def test_forms_that_are_none(self, phone: Client, form: str) -> None:
        """One form of type submit, of publish options."""
        assert enable(phone, content=form) == "bad-request"

    def test_limits(self, phone: Client) -> None:
        """What is too large, and one too many."""
        assert enable(phone, "n" * PUSH_NODE_SIZE_MAX) == ""
        assert enable(phone, "n" * (PUSH_NODE_SIZE_MAX + 1)) == "not-acceptable"
        assert enable(phone, content=OPTIONS.replace("s3", "s" * PUSH_OPTIONS_SIZE_MAX)) == "not-acceptable"
        for number in range(PUSH_REGISTRATION_COUNT_MAX - 1):
            assert enable(phone, str(number)) == ""
        assert enable(phone, "more") == "resource-constraint"

    def test_the_last_options_count(self, service: Service, phone: Client) -> None:
        """The same JID and node again replaces them; another node is another registration."""
        assert enable(phone, content=OPTIONS) == ""
        assert enable(phone, content=OPTIONS.replace("s3", "s4")) == ""
        assert enable(phone, "n2") == ""
        missed(service, phone)
        assert [b"s4&lt;cret" in row.options for _, row in waiting(service)] == [True, False]


class TestSection6:
    """6. Disabling notifications."""

    @pytest.mark.parametrize(("node", "left"), [(" node='n1'", ["n2"]), (" node='n3'", ["n1", "n2"]), ("", [])])
    def test_disabling(self, service: Service, phone: Client, node: str, left: list[str]) -> None:
        """One node or all; nothing is published to what is disabled."""
        assert enable(phone, "n1") == enable(phone, "n2") == ""
        assert request(phone, f"<disable xmlns='{PUSH}' jid='{APP}'{node}/>") == ""
        missed(service, phone)
        assert [row.node for _, row in waiting(service)] == left

    def test_from_another_device(self, service: Service, phone: Client) -> None:
        """It is the account's: a lost phone is silenced from the desk, also for what waits."""
        enable(phone)
        missed(service, phone)
        assert len(waiting(service)) == 1
        assert request(service.bind("bob", "desk"), f"<disable xmlns='{PUSH}' jid='{APP}'/>") == ""
        assert waiting(service) == []

    @pytest.mark.parametrize(
        ("payload", "to", "condition"),
        [
            ("", "", "bad-request"),
            (" jid='@'", "", "jid-malformed"),
            (f" jid='{APP}'", " to='alice@example.org'", "forbidden"),
        ],
    )
    def test_errors(self, phone: Client, payload: str, to: str, condition: str) -> None:
        """No service, no address, another account."""
        assert request(phone, f"<disable xmlns='{PUSH}'{payload}/>", to) == condition


class TestSection7:
    """7. Publishing notifications."""

    def test_the_request(self, service: Service, phone: Client) -> None:
        """A publish request by the server, with a notification in an item whose id is that of the message."""
        enable(phone)
        missed(service, phone)
        [publication] = published(service)
        [(_, row)] = waiting(service)
        assert publication.tag == "{jabber:client}iq"
        assert (publication.get("from"), publication.get("to"), publication.get("type")) == (DOMAIN, APP, "set")
        assert read_request_id(publication.get("id", "")) == NotificationName(row.position, row.registration_id)
        [pubsub] = publication
        [publish] = pubsub
        assert (publish.tag, publish.get("node")) == (f"{PUBSUB}publish", "n1")
        [item] = publish
        assert item.get("id") == f"{EPOCH}-{row.position}"
        [notification] = item
        assert notification.tag == f"{{{PUSH}}}notification"

    def test_the_summary(self, service: Service, phone: Client) -> None:
        """How many messages, and who sent the last one; requests only if there are any."""
        enable(phone)
        alice = missed(service, phone)
        send(alice, "<body>again</body>")
        assert [summary(publication) for publication in published(service)] == [
            {
                "FORM_TYPE": "urn:xmpp:push:summary",
                "message-count": str(count),
                "last-message-sender": "alice@example.org/desk",
            }
            for count in (1, 2)
        ]
        alice.write("<presence type='subscribe' to='bob@example.org'/>")
        send(alice, "<body>please</body>")
        assert summary(published(service)[-1])["pending-subscription-count"] == "1"

    def test_options_go_along(self, service: Service, phone: Client) -> None:
        """As they were given when it was enabled."""
        enable(phone, content=OPTIONS)
        missed(service, phone)
        [publication] = published(service)
        form = publication.find(f"{PUBSUB}pubsub/{PUBSUB}publish-options/{FORM}x")
        assert form is not None
        assert form.get("type") == "submit"
        assert {field.get("var"): field[0].text for field in form}["secret"] == "s3<cret"

    def test_without_options(self, service: Service, phone: Client) -> None:
        """There are none."""
        enable(phone)
        missed(service, phone)
        assert published(service)[0].find(f".//{PUBSUB}publish-options") is None

    @pytest.mark.parametrize(
        ("inner", "alerts"),
        [
            ("<body>tea?</body>", True),
            (ENCRYPTED, True),
            ("<propose xmlns='urn:xmpp:jingle-message:0' id='c1'/>", True),
            ("<displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/>", False),
            ("<received xmlns='urn:xmpp:receipts' id='m1'/>", False),
            ("<composing xmlns='http://jabber.org/protocol/chatstates'/>", False),
        ],
    )
    def test_which_messages(self, service: Service, phone: Client, inner: str, alerts: bool) -> None:
        """What is new, not what concerns what is there."""
        enable(phone)
        missed(service, phone, inner)
        assert (len(waiting(service)) == 1) is alerts


class TestSection71:
    """7.1. Publish errors."""

    @pytest.fixture
    def asked(self, service: Service, phone: Client, app: Client) -> Element:
        """The request that the service was sent."""
        enable(phone)
        missed(service, phone)
        return published(service)[0]

    def test_a_result_settles(self, service: Service, app: Client, asked: Element) -> None:
        """It is not published again."""
        app.write(f"<iq type='result' id='{asked.get('id')}' to='{DOMAIN}'/>")
        assert waiting(service) == []
        assert app.take() == []

    def test_an_error_disables(self, service: Service, app: Client, asked: Element) -> None:
        """The JID and node are disabled."""
        app.write(
            f"<iq type='error' id='{asked.get('id')}' to='{DOMAIN}'><error type='cancel'>"
            "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )
        assert waiting(service) == []
        send(service.bind("alice", "tablet"), "<body>again</body>")
        assert waiting(service) == []

    def test_an_error_without_a_type_disables(self, service: Service, app: Client, asked: Element) -> None:
        """Who says nothing of when to try again is not tried again."""
        app.write(f"<iq type='error' id='{asked.get('id')}' to='{DOMAIN}'/>")
        assert waiting(service) == []

    def test_a_transient_error_does_not(self, service: Service, app: Client, asked: Element) -> None:
        """It is tried again after a while."""
        app.write(
            f"<iq type='error' id='{asked.get('id')}' to='{DOMAIN}'><error type='wait'>"
            "<resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )
        assert waiting(service) == []
        service.bind("alice", "tablet")
        service.bind("alice", "watch")
        assert len(waiting(service)) == 1

    @pytest.mark.parametrize("iq_id", ["push", "push/1", "push/x/1", "push/1/2/3", f"push/{'9' * 30}/1", "other"])
    def test_answers_to_nothing(self, service: Service, app: Client, asked: Element, iq_id: str) -> None:
        """They are dropped, as all answers are that nobody waits for."""
        app.write(f"<iq type='result' id='{iq_id}' to='{DOMAIN}'/>")
        assert len(waiting(service)) == 1
        assert app.take() == []

    def test_answers_of_others(self, service: Service, asked: Element) -> None:
        """Only the service that was asked can answer."""
        for jid in ("maker@example.org/other", "alice@example.org/tablet"):
            localpart, _, rest = jid.partition("@")
            other = service.bind(localpart, rest.partition("/")[2])
            other.write(f"<iq type='error' id='{asked.get('id')}' to='{DOMAIN}'/>")
        assert len(waiting(service)) == 1


class TestSection9:
    """9. Security considerations."""

    @pytest.mark.parametrize(
        ("disclosure", "told"),
        [
            (Disclosure(), {"last-message-sender"}),
            (Disclosure(sender=False), set()),
            (Disclosure(sender=False, body=True), {"last-message-body"}),
            (Disclosure(sender=True, body=True), {"last-message-sender", "last-message-body"}),
        ],
    )
    def test_what_is_told(self, service: Service, phone: Client, disclosure: Disclosure, told: set[str]) -> None:
        """By default no text leaves the server; an operator decides, no client can."""
        enable(phone)
        missed(service, phone)
        [publication] = published(service, disclosure)
        assert set(summary(publication)) == {"FORM_TYPE", "message-count"} | told

    def test_text(self, service: Service, phone: Client) -> None:
        """As it was written, cut where it is long."""
        enable(phone)
        missed(service, phone, f"<body>a &lt; b{'x' * BODY_SIZE_MAX}</body>")
        [publication] = published(service, Disclosure(body=True))
        assert summary(publication)["last-message-body"] == ("a < b" + "x" * BODY_SIZE_MAX)[:BODY_SIZE_MAX]

    @pytest.mark.parametrize("inner", [ENCRYPTED, "<propose xmlns='urn:xmpp:jingle-message:0' id='c1'/>"])
    def test_no_text(self, service: Service, phone: Client, inner: str) -> None:
        """What goes with an encrypted payload says only that there is one."""
        enable(phone)
        missed(service, phone, inner)
        [publication] = published(service, Disclosure(body=True))
        assert "last-message-body" not in summary(publication)


class TestWhereItMayBe:
    """Section 4.3: a push service is an entity like any other; here a component may be one (XEP-0114)."""

    @pytest.mark.parametrize("jid", [HOST, f"app@{HOST}"])
    def test_at_a_component(self, jid: str) -> None:
        """It is enabled, and its answer settles what it was told."""
        service = Service("alice", "bob", components=(LABEL,))
        phone = service.bind("bob", "phone")
        assert enable(phone, jid=jid) == ""
        phone.end()
        service.bind("alice").write(f"<message to='bob@{DOMAIN}' type='chat'><body>hi</body></message>")
        [asked] = published(service)
        assert asked.get("to") == jid
        component = Component(service)
        component.connect()
        component.feed(f"<iq from='{jid}' to='{DOMAIN}' type='result' id='{asked.get('id')}'/>")
        assert published(service) == []

    def test_at_another_service(self, phone: Client) -> None:
        """Rooms are none."""
        assert enable(phone, jid=f"conference.{DOMAIN}") == "service-unavailable"


class TestNotificationSettings:
    """XEP-0492: who does not want to be alerted of a chat is not told of what is said there."""

    @pytest.mark.parametrize(("setting", "count"), [("never", 0), ("on-mention", 0), ("always", 1)])
    def test_a_chat_with_a_contact(self, service: Service, setting: str, count: int) -> None:
        """What a bookmark of the contact says counts."""
        phone = service.bind("bob", "phone")
        assert enable(phone) == ""
        notify = f"<notify xmlns='urn:xmpp:notification-settings:1'><{setting}/></notify>"
        phone.write(
            "<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
            f"<publish node='urn:xmpp:bookmarks:1'><item id='alice@{DOMAIN}'><conference xmlns='urn:xmpp:bookmarks:1'>"
            f"<extensions>{notify}</extensions></conference></item></publish></pubsub></iq>"
        )
        phone.end()
        service.bind("alice").write(f"<message to='bob@{DOMAIN}' type='chat'><body>hi</body></message>")
        assert len(published(service)) == count
