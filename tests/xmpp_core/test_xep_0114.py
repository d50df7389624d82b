"""XEP-0114 version 1.6: the stream of a component, by section. What goes through it: test_xep_0114_stanzas.py."""

from __future__ import annotations

import pytest

from raftline.base.errors import OutcomeUnknown, Unavailable
from raftline.base.ids import NodeId
from raftline.machine.node_commands import BuryNode
from raftline.xmpp.components.stream import PING_TIMEOUT_NS
from raftline.xmpp.effects import ConnectComponent
from raftline.xmpp.negotiation import StreamState
from xmpp_core.components import HOST, PUPPET, Component, header, proof, service_with_component
from xmpp_im.playbook import DOMAIN
from xmpp_im.service import NODES, Service

ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
MESSAGE = f"<message from='{PUPPET}' to='alice@{DOMAIN}'><body>hi</body></message>"


def condition(sent: bytes) -> str:
    """Return the condition of the stream error that was sent, after which the stream is closed."""
    assert sent.endswith(b"</stream:stream>"), sent
    start, _, rest = sent.partition(b"<stream:error><")
    assert rest, start
    return rest.partition(b" ")[0].decode()


@pytest.fixture
def component() -> Component:
    """A component that has not said anything yet."""
    return Component(Service("alice", components=("irc",)))


class TestSection3StreamHeader:
    """3. The header, and the answer to it."""

    def test_the_server_replies_with_a_header(self, component: Component):
        """In the component's namespace, from the component's name, with an id."""
        opened = component.feed(header())
        assert opened.startswith(b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept'")
        assert f" from='{HOST}'".encode() in opened
        assert b" id='" in opened
        assert component.stream.state is StreamState.OPEN

    def test_the_name_is_compared_in_its_normal_form(self, component: Component):
        """As every domain name (RFC 7622 section 3.2)."""
        assert b"stream:error" not in component.feed(header(HOST.upper()))

    @pytest.mark.parametrize("to", [f"other.{DOMAIN}", DOMAIN, "irc.elsewhere.example", "irc", f"a.irc.{DOMAIN}"])
    def test_a_name_that_is_not_served(self, component: Component, to: str):
        """`host-unknown`, inside of a stream of the server's own: header, error, end tag."""
        sent = component.feed(header(to))
        assert sent.startswith(b"<?xml version='1.0'?><stream:stream ")
        assert condition(sent) == "host-unknown"
        assert component.stream.is_ended

    @pytest.mark.parametrize("namespace", ["jabber:client", "jabber:server", "jabber:component:connect", "x"])
    def test_another_namespace(self, component: Component, namespace: str):
        """`invalid-namespace`, also for the way in which the server would connect."""
        assert condition(component.feed(header(namespace=namespace))) == "invalid-namespace"

    def test_another_namespace_of_the_root(self, component: Component):
        """The stream element has its own (RFC 6120 section 4.8.1)."""
        wrong = header().replace(b"http://etherx.jabber.org/streams", b"urn:wrong")
        assert condition(component.feed(wrong)) == "invalid-namespace"

    def test_another_root(self, component: Component):
        """A stream begins with a stream element."""
        assert condition(component.feed(header().replace(b"<stream:stream", b"<stream:flow"))) == "bad-format"

    def test_no_name(self, component: Component):
        """A component says which it is."""
        sent = component.feed(header().replace(f" to='{HOST}'".encode(), b""))
        assert condition(sent) == "improper-addressing"

    def test_a_second_header(self, component: Component):
        """There is one, and XML has one root."""
        component.feed(header())
        assert condition(component.feed(header())) == "not-well-formed"

    def test_bytes_that_are_no_xml(self, component: Component):
        """Errors before a header get a header."""
        sent = component.feed(b"</x>")
        assert sent.startswith(b"<?xml version='1.0'?><stream:stream ")
        assert condition(sent) == "not-well-formed"

    def test_an_end_is_answered(self, component: Component):
        """A component that goes is let go."""
        component.feed(header())
        assert component.feed(b"</stream:stream>") == b"</stream:stream>"
        assert component.stream.is_ended


class TestSection3Handshake:
    """3. The handshake."""

    def test_good_credentials(self, component: Component):
        """An empty handshake acknowledges success."""
        assert component.connect() == b"<handshake/>"
        assert component.stream.state is StreamState.BOUND

    @pytest.mark.parametrize("wrong", ["", "0" * 40, "ünïcode"])
    def test_bad_credentials(self, component: Component, wrong: str):
        """`not-authorized`, and the stream is closed; nobody is asked to connect it."""
        component.feed(header())
        assert condition(component.feed(f"<handshake>{wrong}</handshake>")) == "not-authorized"
        assert component.service.streams == {}

    def test_another_secret(self, component: Component):
        """The hash is over stream id and secret, in that order, and lower case."""
        opened = component.feed(header())
        assert condition(component.feed(f"<handshake>{proof(opened, 'guess')}</handshake>")) == "not-authorized"

    def test_upper_case_is_another_hash(self, component: Component):
        """Step 4 of the algorithm: all lower case."""
        shown = proof(component.feed(header())).upper()
        assert condition(component.feed(f"<handshake>{shown}</handshake>")) == "not-authorized"

    def test_ids_differ(self):
        """A handshake that was overheard is of no use for another stream."""
        service = Service(components=("irc",))
        overheard = proof(Component(service).feed(header()))
        other = Component(service)
        other.stream._context.new_id()
        other.feed(header())
        assert condition(other.feed(f"<handshake>{overheard}</handshake>")) == "not-authorized"

    def test_stanzas_before_it(self, component: Component):
        """Nothing is taken from who has not proved anything."""
        component.feed(header())
        assert condition(component.feed(MESSAGE)) == "not-authorized"

    def test_a_second_one(self, component: Component):
        """It happens once."""
        component.connect()
        assert condition(component.feed("<handshake/>")) == "policy-violation"

    def test_a_second_connection(self):
        """`conflict` while the first is there; when its node is dead it hears `reset`, and the next is taken."""
        service, first = service_with_component()
        assert condition(Component(service).connect()) == "conflict"
        service.apply(BuryNode(NODES[0], 1), None)
        assert condition(first.take()) == "reset"
        assert Component(service, node_id=NodeId(2)).connect() == b"<handshake/>"

    def test_a_free_name(self):
        """After the end of a connection the next is taken."""
        service, first = service_with_component()
        first.end()
        assert Component(service).connect() == b"<handshake/>"

    @pytest.mark.parametrize("error", [Unavailable("no quorum"), OutcomeUnknown("no outcome")])
    def test_without_a_quorum(self, component: Component, error: Exception):
        """Nobody knows whether another connection is held: `resource-constraint`, to be tried again."""
        stream = component.stream
        stream.receive_data(header())
        opened = component.take()
        stream.receive_data(f"<handshake>{proof(opened)}</handshake>".encode())
        assert stream.next_effect() == ConnectComponent("irc")
        stream.throw(error)
        assert condition(component.take()) == "resource-constraint"


class TestSection3Addresses:
    """3. Both addresses, and whose they are."""

    @pytest.mark.parametrize(
        "sender", [f"alice@{DOMAIN}", DOMAIN, f"x@other.{DOMAIN}", f"x@a.{HOST}", "x@elsewhere.example"]
    )
    def test_from_somebody_else(self, sender: str):
        """The domain matches the component's name, or the stream ends with `invalid-from`."""
        _, component = service_with_component("alice")
        sent = component.feed(MESSAGE.replace(PUPPET, sender))
        assert condition(sent) == "invalid-from"

    @pytest.mark.parametrize("sender", [HOST, PUPPET, f"{PUPPET}/phone", f"anybody@{HOST}/x"])
    def test_from_anybody_at_it(self, sender: str):
        """That is the only restriction."""
        service, component = service_with_component("alice")
        alice = service.bind("alice")
        alice.write("<presence/>")
        alice.take()
        component.feed(MESSAGE.replace(PUPPET, sender))
        assert f" from='{sender}'".encode() in b"".join(alice.take())

    @pytest.mark.parametrize("missing", [f" from='{PUPPET}'", f" to='alice@{DOMAIN}'"])
    def test_an_address_is_missing(self, missing: str):
        """Stanzas have both, as between servers, or the stream ends with `improper-addressing`."""
        _, component = service_with_component("alice")
        assert condition(component.feed(MESSAGE.replace(missing, ""))) == "improper-addressing"

    def test_from_nothing_that_is_an_address(self):
        """Whom is an error to go to?"""
        _, component = service_with_component("alice")
        assert condition(component.feed(MESSAGE.replace(PUPPET, "@"))) == "improper-addressing"

    def test_to_nothing_that_is_an_address(self):
        """An error like for any stanza (RFC 6120 section 8.3.3.8), to whoever sent it; the stream goes on."""
        _, component = service_with_component("alice")
        sent = component.feed(MESSAGE.replace(f"alice@{DOMAIN}", "a@@b"))
        assert b"jid-malformed" in sent
        assert f" to='{PUPPET}'".encode() in sent
        assert not component.stream.is_closing

    @pytest.mark.parametrize("element", ["<log/>", "<message xmlns='jabber:server' from='a' to='b'/>", "<starttls/>"])
    def test_what_is_no_stanza(self, element: str):
        """`unsupported-stanza-type`: internal protocols of other servers are out of scope (section 2)."""
        _, component = service_with_component("alice")
        assert condition(component.feed(element)) == "unsupported-stanza-type"


class TestSection7Namespaces:
    """Schema: stanzas are in the namespace of the stream."""

    @pytest.mark.parametrize(
        "body",
        [
            "<body>hi</body>",
            "<body xmlns='jabber:component:accept'>hi</body>",
            "<c:body xmlns:c='jabber:component:accept'>hi</c:body>",
        ],
    )
    def test_clients_get_theirs(self, body: str):
        """However a component writes its namespace, a client sees its own."""
        service, component = service_with_component("alice")
        alice = service.bind("alice")
        alice.write("<presence/>")
        alice.take()
        component.feed(MESSAGE.replace("<body>hi</body>", body))
        [received] = alice.take()
        assert b"<body>hi</body>" in received
        assert b"component" not in received

    def test_what_is_not_of_it_stays(self):
        """Extensions keep their namespaces."""
        service, component = service_with_component("alice")
        alice = service.bind("alice")
        alice.write("<presence/>")
        alice.take()
        component.feed(MESSAGE.replace("</message>", "<x xmlns='urn:x'/></message>"))
        assert b"<x xmlns='urn:x'/>" in alice.take()[0]


class TestAcknowledgement:
    """What the protocol lacks: how far a component has come (components/stream.py)."""

    def test_a_ping_follows_what_was_written(self):
        """One is under way at a time; its answer, be it an error, acknowledges what came before it."""
        service, component = service_with_component("alice")
        alice = service.bind("alice")
        alice.write(f"<message to='{PUPPET}' type='chat'><body>1</body></message>")
        first = component.take()
        assert first.index(b"<body>1</body>") < first.index(b"<ping ")
        alice.write(f"<message to='{PUPPET}' type='chat'><body>2</body></message>")
        second = component.take()
        assert b"<ping " not in second
        third = component.pong(first)
        assert b"<ping " in third
        component.end()
        again = Component(service).connect()
        assert b"<body>1</body>" not in again
        assert b"<body>2</body>" in again

    def test_what_comes_again_has_the_same_id(self):
        """And says since when it waits (XEP-0203), so that a component can tell."""
        service, component = service_with_component("alice")
        service.bind("alice").write(f"<message to='{PUPPET}' type='chat'><body>1</body></message>")
        first = component.take()
        component.end()
        again = Component(service).connect()
        stanza_id = first[first.index(b"<stanza-id ") :].partition(b">")[0]
        assert f" by='{HOST}'".encode() in stanza_id
        assert stanza_id in again
        assert b"<delay " in again
        assert b"<delay " not in first

    def test_thousands_come_page_by_page(self):
        """What waits is read as fast as the component reads; nothing is lost or out of order."""
        service, component = service_with_component("alice")
        component.end()
        alice = service.bind("alice")
        for number in range(250):
            alice.write(f"<message to='{PUPPET}' type='chat'><body>n{number}</body></message>")
        again = Component(service)
        sent = again.connect()
        sent += again.take()
        places = [sent.index(f"<body>n{number}</body>".encode()) for number in range(250)]
        assert places == sorted(places)

    def test_one_that_does_not_read_is_waited_for(self):
        """Deliveries to a congested connection are passed over, and read when it has caught up."""
        service, component = service_with_component("alice")
        component.stream.delivery.is_congested = True
        service.bind("alice").write(f"<message to='{PUPPET}' type='chat'><body>1</body></message>")
        assert component.take() == b""
        component.stream.delivery.is_congested = False
        assert b"<body>1</body>" in component.take()

    def test_one_that_never_answers_is_taken_at_the_word_of_tcp(self):
        """After a minute what was written counts as taken."""
        service, component = service_with_component("alice")
        service.bind("alice").write(f"<message to='{PUPPET}' type='chat'><body>1</body></message>")
        component.take()
        stream = component.stream
        assert not stream.is_overdue(5)
        assert not stream.is_overdue(5 + PING_TIMEOUT_NS)
        assert not stream.is_overdue(6 + PING_TIMEOUT_NS)
        assert b"<ping " not in component.take()
        component.end()
        assert b"<body>1</body>" not in Component(service).connect()

    def test_one_that_answers_no_more_is_gone(self):
        """It has answered before, so something is wrong with it."""
        service, component = service_with_component("alice")
        alice = service.bind("alice")
        alice.write(f"<message to='{PUPPET}' type='chat'><body>1</body></message>")
        component.pong(component.take())
        alice.write(f"<message to='{PUPPET}' type='chat'><body>2</body></message>")
        component.take()
        assert not component.stream.is_overdue(5)
        assert not component.stream.is_overdue(5 + PING_TIMEOUT_NS)
        assert component.stream.is_overdue(6 + PING_TIMEOUT_NS)
