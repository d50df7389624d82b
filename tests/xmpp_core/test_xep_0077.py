"""In-band registration (XEP-0077)."""

from __future__ import annotations

from typing import Any

import pytest

from raftline.base.errors import Refused, Unavailable
from raftline.base.ids import NodeId, SessionId
from raftline.machine.commands import CreateAccount, DeleteAccount, SetCredentials
from raftline.machine.outcomes import Done, Rejected, SessionEnded
from raftline.xmpp.effects import DeriveCredentials, Execute
from xmpp_core.playbook import CREDENTIALS, Playbook

RULES: dict[type, Any] = {DeriveCredentials: lambda _: CREDENTIALS, Execute: lambda _: Done()}
CLOSED: dict[str, Any] = {"open_registration": False, "has_invitations": lambda: False}
CAROL = "<username>Carol</username><password>pencil</password>"


def request(fields: str, kind: str = "set", attributes: str = "") -> bytes:
    return (f"<iq type='{kind}' id='r' {attributes}><query xmlns='jabber:iq:register'>{fields}</query></iq>").encode()


@pytest.fixture
def fresh() -> Playbook:
    stream = Playbook()
    stream.open()
    return stream


class TestSection31Registering:
    """Section 3.1: an account is made before authentication."""

    def test_feature(self) -> None:
        """The stream feature is there where everyone may register (section 8)."""
        feature = b"<register xmlns='http://jabber.org/features/iq-register'/>"
        assert feature in Playbook().open()
        assert feature not in Playbook(open_registration=False, has_invitations=lambda: False).open()
        assert feature not in Playbook(allow_plaintext=False).open()
        assert feature in Playbook(allow_plaintext=False, is_secure=True).open()

    def test_fields(self, fresh: Playbook) -> None:
        """A get tells what is asked for."""
        sent = fresh.exchange(request("", "get"))
        assert sent.startswith(b"<iq type='result' id='r'><query xmlns='jabber:iq:register'><instructions>")
        assert b"<username/><password/>" in sent

    def test_account_is_made(self, fresh: Playbook) -> None:
        """The name is prepared, the password becomes keys, and the account is made at most once."""
        fresh.feed(request(CAROL))
        assert fresh.answer(DeriveCredentials, CREDENTIALS).password == "pencil"
        assert fresh.answer(Execute, Done()).action == CreateAccount("carol", CREDENTIALS)
        assert fresh.take() == b"<iq type='result' id='r'/>"
        assert b"<success" in fresh.authenticate()

    def test_what_is_not_understood_is_ignored(self, fresh: Playbook) -> None:
        """Section 6: fields of other namespaces, such as a form that was not asked for, change nothing."""
        fields = f"<x xmlns='jabber:x:data' type='submit'/>{CAROL}<remove xmlns='urn:example:x'/>"
        fresh.feed(request(fields))
        fresh.answer(DeriveCredentials, CREDENTIALS)
        assert fresh.answer(Execute, Done()).action == CreateAccount("carol", CREDENTIALS)

    def test_conflict(self, fresh: Playbook) -> None:
        """A name that is taken is a conflict, and another may be tried."""
        rules = RULES | {Execute: lambda _: Rejected("conflict", "cancel", "taken")}
        assert b"<error type='cancel'><conflict" in fresh.exchange(request(CAROL), rules)
        assert b"type='result'" in fresh.exchange(request(CAROL), RULES)

    @pytest.mark.parametrize(
        "fields",
        [
            "",
            "<username>carol</username>",
            "<password>x</password>",
            "<username/><password>x</password>",
            "<username>carol</username><password/>",
            "<username>a b</username><password>x</password>",
            "<username>a@b</username><password>x</password>",
        ],
    )
    def test_not_acceptable(self, fresh: Playbook, fields: str) -> None:
        """What is missing or cannot be a name is not-acceptable."""
        assert b"<error type='modify'><not-acceptable" in fresh.exchange(request(fields), RULES)

    def test_bad_password(self, fresh: Playbook) -> None:
        """What cannot be a password is refused by whoever derives the keys."""
        fresh.feed(request(CAROL))
        fresh.expect(DeriveCredentials)
        fresh.stream.throw(Refused("not-acceptable", "modify"))
        assert b"<not-acceptable" in fresh.take()

    def test_no_quorum(self, fresh: Playbook) -> None:
        """What certainly entered no log is an error of type wait."""
        fresh.feed(request(CAROL))
        fresh.answer(DeriveCredentials, CREDENTIALS)
        fresh.expect(Execute)
        fresh.stream.throw(Unavailable("no quorum"))
        assert b"<error type='wait'><resource-constraint" in fresh.take()

    def test_removal_needs_authentication(self, fresh: Playbook) -> None:
        """Who is not logged in has nothing to remove (section 3.2)."""
        assert b"<registration-required" in fresh.exchange(request("<remove/>"), RULES)

    @pytest.mark.parametrize("settings", [CLOSED, {"allow_plaintext": False}])
    def test_closed(self, settings: dict[str, Any]) -> None:
        """Where it is not offered it is a stanza before authentication."""
        stream = Playbook(**settings)
        stream.open()
        assert b"<stream:error><not-authorized" in stream.exchange(request(CAROL), RULES)

    @pytest.mark.parametrize("stanza", [request("", "result"), request(CAROL, attributes="to='bob@localhost'")])
    def test_other_iqs(self, fresh: Playbook, stanza: bytes) -> None:
        """Only requests to the service are registration."""
        assert b"<stream:error><not-authorized" in fresh.exchange(stanza, RULES)

    def test_attempts_are_bounded(self, fresh: Playbook) -> None:
        """Each costs a core milliseconds, so a stream has five."""
        for _ in range(5):
            fresh.exchange(request(CAROL), RULES)
        assert b"<policy-violation" in fresh.exchange(request(CAROL), RULES)


class TestSection32Cancelling:
    """Section 3.2: an account is removed by its user."""

    def test_removal(self) -> None:
        """The result comes first, though the session ends with the account; then not-authorized."""
        stream = Playbook().log_in()
        stream.feed(request("<remove/>"))
        effect = stream.expect(Execute)
        assert effect.action == DeleteAccount("alice")
        stream.stream.receive_event(SessionEnded(NodeId(1), SessionId(7), "not-authorized"))
        assert stream.take() == b""
        stream.stream.resume(Done())
        sent = stream.take()
        assert sent.index(b"type='result' id='r'") < sent.index(b"<stream:error><not-authorized")

    def test_removal_stands_alone(self) -> None:
        """A removal with other fields is bad-request."""
        sent = Playbook().log_in().exchange(request("<remove/><username>alice</username>"), RULES)
        assert b"<error type='modify'><bad-request" in sent


class TestSection33Password:
    """Section 3.3: the password is changed by its user."""

    @pytest.mark.parametrize("to", ["", "to='localhost'", "to='alice@localhost'"])
    def test_change(self, to: str) -> None:
        """One's own password, by name."""
        stream = Playbook().log_in()
        stream.feed(request("<username>alice</username><password>new</password>", attributes=to))
        assert stream.answer(DeriveCredentials, CREDENTIALS).password == "new"
        assert stream.answer(Execute, Done()).action == SetCredentials("alice", CREDENTIALS)
        assert b"type='result'" in stream.take()

    @pytest.mark.parametrize(
        ("fields", "to", "condition"),
        [
            ("<username>bob</username><password>new</password>", "", b"not-allowed"),
            ("<username>alice</username>", "", b"not-acceptable"),
            ("<username>alice</username><password/>", "", b"not-acceptable"),
            ("<username>alice</username><password>new</password>", "to='bob@localhost'", b"forbidden"),
        ],
    )
    def test_refused(self, fields: str, to: str, condition: bytes) -> None:
        """Another's, or none; the error does not repeat what was sent."""
        sent = Playbook().log_in().exchange(request(fields, attributes=to), RULES)
        assert b"<" + condition in sent
        assert b"jabber:iq:register" not in sent

    def test_registered(self) -> None:
        """A get tells a user who it is (section 3.1, example 4)."""
        sent = Playbook().log_in().exchange(request("", "get"))
        assert b"<registered/><instructions>" in sent
        assert b"<username>alice</username><password/>" in sent

    def test_gone_meanwhile(self) -> None:
        """An account that an operator deleted has no password to change."""
        rules = RULES | {Execute: lambda _: Rejected("item-not-found", "cancel")}
        fields = "<username>alice</username><password>new</password>"
        assert b"<item-not-found" in Playbook().log_in().exchange(request(fields), rules)
