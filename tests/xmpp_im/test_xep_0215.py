"""XEP-0215 External Service Discovery; tests/integration/test_turn.py shows that coturn takes the credentials."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from raftline.xmpp.catalog import all_modules
from raftline.xmpp.element import Element
from raftline.xmpp.xeps.xep_0215_external_services import ExternalService, ExternalServices, turn_credentials
from xmpp_im.playbook import FakeContext, Playbook, stanza

NAMESPACE = "urn:xmpp:extdisco:2"
NOW_MS = 1_700_000_000_999
TTL_S = 3_600
SECRET = b"north"
USERNAME = "1700003600:alice"
PASSWORD = base64.b64encode(hmac.new(SECRET, USERNAME.encode(), hashlib.sha1).digest()).decode()
CREDENTIALS = {"username": USERNAME, "password": PASSWORD, "expires": "2023-11-14T23:13:20.000Z"}
SERVICES = (
    ExternalService("stun", "turn.example.org", 3478, "udp"),
    ExternalService("turn", "turn.example.org", 3478, "udp"),
    ExternalService("turn", "turn.example.org", 3479, "tcp"),
    ExternalService("turns", "192.0.2.1", 5349, "tcp"),
)


@pytest.fixture
def book() -> Playbook:
    offered = ExternalServices(SERVICES, SECRET, TTL_S)
    return Playbook(FakeContext(modules=all_modules(wall_clock_ms=lambda: NOW_MS, external_services=offered)))


def ask(book: Playbook, payload: str) -> Element:
    """Ask the server."""
    request = stanza(f"<iq to='example.org' type='get' id='x'>{payload}</iq>")
    name = next(request.element.elements()).name
    handler = book.context.modules.iq_handlers["server", "get", NAMESPACE, name]
    answer = book.play(handler(book.context, request))
    assert isinstance(answer, Element)
    assert (answer.name, answer.namespace) == (name, NAMESPACE)
    return answer


def refusal(book: Playbook, payload: str) -> tuple[str, str]:
    request = stanza(f"<iq to='example.org' type='get' id='x'>{payload}</iq>")
    handler = book.context.modules.iq_handlers["server", "get", NAMESPACE, "credentials"]
    return book.refusal(handler(book.context, request))


def ports(answer: Element) -> list[str]:
    return [element.attributes["port"] for element in answer.elements()]


class TestSection31AllServices:
    """3.1: all there is."""

    def test_all(self, book: Playbook) -> None:
        """Each with what belongs to it; those that relay with credentials."""
        answer = ask(book, f"<services xmlns='{NAMESPACE}'/>")
        assert answer.attributes == {}
        services = list(answer.elements())
        assert ports(answer) == ["3478", "3478", "3479", "5349"]
        assert services[0].attributes == {
            "host": "turn.example.org",
            "port": "3478",
            "transport": "udp",
            "type": "stun",
        }
        assert services[3].attributes == {
            "host": "192.0.2.1",
            "port": "5349",
            "transport": "tcp",
            "type": "turns",
            "restricted": "true",
            **CREDENTIALS,
        }


class TestSection32SelectedServices:
    """3.2: those of one type."""

    def test_one_type(self, book: Playbook) -> None:
        """The answer says which type was asked for."""
        answer = ask(book, f"<services xmlns='{NAMESPACE}' type='turn'/>")
        assert answer.attributes == {"type": "turn"}
        assert ports(answer) == ["3478", "3479"]

    def test_no_such_type(self, book: Playbook) -> None:
        """None is an answer too."""
        assert ports(ask(book, f"<services xmlns='{NAMESPACE}' type='ftp'/>")) == []


class TestSection33Credentials:
    """3.3: credentials for a service that is known already."""

    def test_all_that_match(self, book: Playbook) -> None:
        """Host and type may stand for several ports."""
        answer = ask(
            book, f"<credentials xmlns='{NAMESPACE}'><service host='turn.example.org' type='turn'/></credentials>"
        )
        assert ports(answer) == ["3478", "3479"]
        assert next(answer.elements()).attributes == {
            "host": "turn.example.org",
            "type": "turn",
            "port": "3478",
            **CREDENTIALS,
        }

    def test_one_port(self, book: Playbook) -> None:
        """Or one of them."""
        service = "<service host='turn.example.org' type='turn' port='3479'/>"
        assert ports(ask(book, f"<credentials xmlns='{NAMESPACE}'>{service}</credentials>")) == ["3479"]

    @pytest.mark.parametrize(
        "service",
        [
            "<service host='elsewhere' type='turn'/>",
            "<service host='turn.example.org' type='turns'/>",
            "<service host='turn.example.org' type='turn' port='1'/>",
            "<service host='turn.example.org' type='turn' port='3479' transport='udp'/>",
            "<service host='turn.example.org' type='stun'/>",
        ],
    )
    def test_unknown(self, book: Playbook, service: str) -> None:
        """What is not offered, or asks for none."""
        assert refusal(book, f"<credentials xmlns='{NAMESPACE}'>{service}</credentials>") == (
            "item-not-found",
            "cancel",
        )

    @pytest.mark.parametrize(
        "service",
        [
            "",
            "<service type='turn'/>",
            "<service host='turn.example.org'/>",
            "<other host='turn.example.org' type='turn'/>",
            "<service host='turn.example.org' type='turn'/><service host='turn.example.org' type='turn'/>",
        ],
    )
    def test_incomplete(self, book: Playbook, service: str) -> None:
        """Host and type of one service must be there."""
        assert refusal(book, f"<credentials xmlns='{NAMESPACE}'>{service}</credentials>") == ("bad-request", "modify")

    def test_one_person_one_name(self) -> None:
        """Credentials are an account's own, and new ones expire later."""
        first = turn_credentials(SECRET, "alice", now_ms=NOW_MS, ttl_s=60)
        assert turn_credentials(SECRET, "bob", now_ms=NOW_MS, ttl_s=60).password != first.password
        assert turn_credentials(SECRET, "alice", now_ms=NOW_MS + 1, ttl_s=60) > first
        assert turn_credentials(b"south", "alice", now_ms=NOW_MS, ttl_s=60).password != first.password


class TestSection5Support:
    """5: who offers services says so."""

    def test_feature(self, book: Playbook) -> None:
        """In service discovery."""
        features = {feature for declared in book.context.modules.declarations for feature in declared.features}
        assert NAMESPACE in features

    @pytest.mark.parametrize("with_clock", [True, False])
    def test_without_services(self, *, with_clock: bool) -> None:
        """Without any, or without a clock, nothing is announced or answered."""
        modules = all_modules(
            wall_clock_ms=(lambda: NOW_MS) if with_clock else None,
            external_services=None if with_clock else ExternalServices(SERVICES, SECRET, TTL_S),
        )
        assert 215 not in {declaration.number for declaration in modules.declarations}
        assert ("server", "get", NAMESPACE, "services") not in modules.iq_handlers
