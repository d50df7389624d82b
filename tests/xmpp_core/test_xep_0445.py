"""Pre-authenticated in-band registration (XEP-0445): on streams, before authentication."""

from __future__ import annotations

from typing import Any

import pytest

from raftline.base.limits import INVITE_TOKEN_SIZE_MAX
from raftline.machine.commands import CreateAccount, RegisterByInvite
from raftline.machine.invites.commands import Purpose
from raftline.machine.invites.queries import InviteOf
from raftline.machine.invites.views import InviteView
from raftline.machine.outcomes import Done, Rejected
from raftline.xmpp.effects import Ask, Barrier, DeriveCredentials, Execute
from raftline.xmpp.invites import digest_of
from raftline.xmpp.login import REGISTRATION_ATTEMPT_COUNT_MAX
from xmpp_core.playbook import CREDENTIALS, Playbook
from xmpp_core.test_xep_0077 import CAROL, CLOSED, RULES, request

TOKEN = "0123456789abcdef01234567"
DIGEST = digest_of(TOKEN)
OPEN_INVITE = InviteView(DIGEST, "romeo", "", int(Purpose.REGISTER | Purpose.SUBSCRIBE), 1_000, is_expired=False)
FEATURE = b"<register xmlns='urn:xmpp:ibr-token:0'/>"
REGISTER_FEATURE = b"<register xmlns='http://jabber.org/features/iq-register'/>"


def preauth(token: str = TOKEN, attributes: str = "to='localhost'", kind: str = "set") -> bytes:
    return f"<iq type='{kind}' id='p' {attributes}><preauth xmlns='urn:xmpp:pars:0' token='{token}'/></iq>".encode()


def rules(view: InviteView | None = OPEN_INVITE) -> dict[type, Any]:
    return RULES | {Barrier: lambda _: None, Ask: lambda _: view}


def opened(**settings: Any) -> Playbook:
    stream = Playbook(**{"open_registration": False, **settings})
    stream.open()
    return stream


class TestSection3Discovery:
    """Section 3."""

    def test_feature(self) -> None:
        """It is offered, and registration with it, wherever a password may travel; not while the cluster lacks it."""
        for stream in (Playbook(open_registration=False), Playbook(), Playbook(is_secure=True, allow_plaintext=False)):
            features = stream.open()
            assert FEATURE in features
            assert REGISTER_FEATURE in features
        assert FEATURE not in Playbook(allow_plaintext=False).open()
        assert FEATURE not in Playbook(**CLOSED).open()
        assert FEATURE not in Playbook(has_invitations=lambda: False).open()

    def test_not_after_authentication(self) -> None:
        """Who has an account needs no other one."""
        stream = opened()
        assert b"<success" in stream.authenticate()
        assert FEATURE not in stream.open()


class TestSection4Registration:
    """Section 4."""

    @pytest.mark.parametrize("attributes", ["to='localhost'", ""])
    def test_a_token_opens_registration(self, attributes: str) -> None:
        """It is looked up after a barrier, then the account is made by the invitation and no other way."""
        stream = opened()
        stream.feed(preauth(attributes=attributes))
        stream.answer(Barrier)
        assert stream.answer(Ask, OPEN_INVITE).query == InviteOf(DIGEST)
        sent = stream.take()
        assert sent.startswith(b"<iq ")
        assert b"type='result' id='p'/>" in sent
        assert b"<username/><password/>" in stream.exchange(request("", "get"))
        stream.feed(request(CAROL))
        stream.answer(DeriveCredentials, CREDENTIALS)
        assert stream.answer(Execute, Done()).action == RegisterByInvite("carol", CREDENTIALS, DIGEST)
        assert stream.take() == b"<iq type='result' id='r'/>"
        assert b"<success" in stream.authenticate()

    def test_not_used_before_the_registration(self) -> None:
        """A lookup proposes nothing; a registration that is refused leaves the token to be used."""
        stream = opened()
        stream.exchange(preauth(), rules())
        refused = stream.exchange(request(CAROL), rules() | {Execute: lambda _: Rejected("conflict", "cancel")})
        assert b"<conflict" in refused
        stream.feed(request(CAROL))
        stream.answer(DeriveCredentials, CREDENTIALS)
        assert isinstance(stream.expect(Execute).action, RegisterByInvite)

    def test_expiry_is_asked_once(self) -> None:
        """After the token was taken nothing asks for it again before the account is made."""
        stream = opened()
        stream.exchange(preauth(), rules())
        stream.feed(request(CAROL))
        assert [type(effect) for effect in stream.run(RULES)] == [DeriveCredentials, Execute]

    @pytest.mark.parametrize(
        "view",
        [None, OPEN_INVITE._replace(is_expired=True), OPEN_INVITE._replace(purposes=int(Purpose.SUBSCRIBE))],
    )
    def test_a_token_that_is_no_good(self, view: InviteView | None) -> None:
        """Unknown, expired or for something else: item-not-found, and registration stays closed."""
        stream = opened()
        sent = stream.exchange(preauth(), rules(view))
        assert b"<error type='cancel'><item-not-found" in sent
        assert b"The provided token is invalid or expired" in sent
        assert b"<forbidden" in stream.exchange(request(CAROL), RULES)

    @pytest.mark.parametrize("token", ["", "x" * (INVITE_TOKEN_SIZE_MAX + 1)])
    def test_what_is_no_token(self, token: str) -> None:
        """Nothing, or too much, has no digest and is as unknown as any other."""
        stream = opened()
        stream.feed(preauth(token))
        stream.answer(Barrier)
        assert stream.answer(Ask).query == InviteOf(b"")
        assert b"<item-not-found" in stream.take()

    def test_the_greatest_token(self) -> None:
        """One of the greatest size is looked up."""
        stream = opened()
        stream.feed(preauth("x" * INVITE_TOKEN_SIZE_MAX))
        stream.answer(Barrier)
        assert stream.answer(Ask).query == InviteOf(digest_of("x" * INVITE_TOKEN_SIZE_MAX)) != InviteOf(b"")

    @pytest.mark.parametrize("kind", ["get", "set"])
    def test_without_a_token(self, kind: str) -> None:
        """Where registration is closed, who shows none is refused and may show one yet."""
        stream = opened()
        sent = stream.exchange(request(CAROL, kind), RULES)
        assert b"<error type='auth'><forbidden" in sent
        stream.exchange(preauth(), rules())
        assert b"type='result'" in stream.exchange(request(CAROL), RULES)

    def test_where_everyone_may(self) -> None:
        """An open service takes tokens as well; one that is refused leaves registration as it was."""
        stream = opened(open_registration=True)
        assert b"<item-not-found" in stream.exchange(preauth(), rules(None))
        stream.feed(request(CAROL))
        stream.answer(DeriveCredentials, CREDENTIALS)
        assert stream.answer(Execute, Done()).action == CreateAccount("carol", CREDENTIALS)
        stream.exchange(preauth(), rules())
        stream.feed(request(CAROL))
        stream.answer(DeriveCredentials, CREDENTIALS)
        assert isinstance(stream.answer(Execute, Done()).action, RegisterByInvite)

    def test_somebody_was_faster(self) -> None:
        """A token that was used between lookup and registration is no token any more."""
        stream = opened()
        stream.exchange(preauth(), rules())
        lost = RULES | {Execute: lambda _: Rejected("item-not-found", "cancel", "The provided token is invalid.")}
        assert b"<error type='cancel'><item-not-found" in stream.exchange(request(CAROL), lost)
        assert b"<forbidden" in stream.exchange(request(CAROL), RULES)

    def test_one_account(self) -> None:
        """A token that has opened an account opens no other one on the same stream."""
        stream = opened()
        stream.exchange(preauth(), rules())
        assert b"type='result'" in stream.exchange(request(CAROL), RULES)
        assert b"<forbidden" in stream.exchange(request(CAROL), RULES)

    def test_a_later_token_that_is_no_good(self) -> None:
        """It takes the place of the earlier one."""
        stream = opened()
        stream.exchange(preauth(), rules())
        stream.exchange(preauth("other"), rules(None))
        assert b"<forbidden" in stream.exchange(request(CAROL), RULES)

    @pytest.mark.parametrize(
        "stanza", [preauth(kind="get"), preauth(attributes="to='bob@localhost'"), preauth(attributes="to='elsewhere'")]
    )
    def test_other_iqs(self, stanza: bytes) -> None:
        """What is not addressed to the service is a stanza before authentication."""
        assert b"<stream:error><not-authorized" in opened().exchange(stanza, rules())

    @pytest.mark.parametrize("settings", [{"has_invitations": lambda: False}, {"allow_plaintext": False}])
    def test_where_it_is_not_offered(self, settings: dict[str, Any]) -> None:
        """There a token is a stanza before its time."""
        assert b"<stream:error><not-authorized" in opened(**settings).exchange(preauth(), rules())

    def test_guesses_are_bounded(self) -> None:
        """A stream has as many attempts as for registration, of both kinds together."""
        stream = opened()
        for _ in range(REGISTRATION_ATTEMPT_COUNT_MAX):
            assert b"<item-not-found" in stream.exchange(preauth(), rules(None))
        assert b"<policy-violation" in stream.exchange(preauth(), rules())


class TestSection5Names:
    """Section 5: an account name of the invitation."""

    def test_the_form_names_it(self) -> None:
        """Who was invited under a name is told it; another one is refused by the state machine."""
        stream = opened()
        stream.exchange(preauth(), rules(OPEN_INVITE._replace(username="juliet")))
        assert b"<username>juliet</username>" in stream.exchange(request("", "get"))
        other = RULES | {Execute: lambda _: Rejected("not-acceptable", "modify", "for juliet")}
        assert b"<not-acceptable" in stream.exchange(request(CAROL), other)
