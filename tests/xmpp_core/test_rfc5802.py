"""SCRAM and PLAIN on the server's side (RFC 5802, RFC 7677, RFC 4616), against a client that is not ours."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import pytest
import scramp
from hypothesis import given
from hypothesis import strategies as st

from raftline.machine.commands import Credential
from raftline.machine.queries import CredentialsOf
from raftline.xmpp.effects import Ask, Barrier, CheckPassword
from raftline.xmpp.sasl import (
    PASSWORD_BYTES_MAX,
    SCRAM_HASHES,
    SASLFailed,
    check_password,
    decode_base64,
    decoy_credential,
    derive_credentials,
    prepare_password,
)
from raftline.xmpp.sasl_plain import parse_plain
from raftline.xmpp.sasl_scram import Offer, ScramExchange
from xmpp_core.playbook import CREDENTIALS, Playbook, auth, credential_rules, payload, response

GS2 = b64encode(b"n,,").decode()


def exchange(mechanism: str = "SCRAM-SHA-256", nonce: bytes = b"n" * 18) -> ScramExchange:
    return ScramExchange(mechanism, domain="localhost", nonce=nonce, decoy_key=b"key", offer=Offer())


def failure(data: bytes) -> str:
    with pytest.raises(SASLFailed) as failed:
        exchange().receive_first(data)
    return failed.value.condition


class TestSection3Algorithm:
    """RFC 5802 section 3, RFC 7677 section 3."""

    def test_vector_of_rfc_5802(self) -> None:
        """The example of section 5, with its salt, nonces and proof."""
        nonce = "3rfcNHYJY1ZVvWVs7j"
        server = exchange("SCRAM-SHA-1")
        server._nonce = nonce  # the example's is no base64
        server.receive_first(b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL")
        salt = b64decode("QSXCR+Q6sek8bf92")
        (_, credential) = derive_credentials("pencil", lambda _: salt, 4096)
        first = server.challenge((credential,))
        assert first == b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"
        final = server.receive_final(
            b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
        )
        assert final == b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ="

    def test_vector_of_rfc_7677(self) -> None:
        """The example of section 3."""
        server = exchange("SCRAM-SHA-256")
        server._nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
        server.receive_first(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
        salt = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
        (credential, _) = derive_credentials("pencil", lambda _: salt, 4096)
        server.challenge((credential,))
        final = server.receive_final(
            b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        )
        assert final == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

    @pytest.mark.parametrize("mechanism", list(SCRAM_HASHES))
    @pytest.mark.parametrize("name", ["alice", "a=b,c", "\u00e4\u03c0"])
    def test_foreign_client(self, mechanism: str, name: str) -> None:
        """Both sides prove what they know, for names with escapes and beyond ASCII."""
        client = scramp.ScramClient([mechanism], name, "pencil")
        server = exchange(mechanism)
        server.receive_first(client.get_client_first().encode())
        assert server.localpart == name
        client.set_server_first(server.challenge(CREDENTIALS).decode())
        client.set_server_final(server.receive_final(client.get_client_final().encode()).decode())

    @pytest.mark.parametrize("password", ["Pencil", "pencil ", "x"])
    def test_wrong_password(self, password: str) -> None:
        """A wrong password is not-authorized."""
        client = scramp.ScramClient(["SCRAM-SHA-256"], "alice", password)
        server = exchange()
        server.receive_first(client.get_client_first().encode())
        client.set_server_first(server.challenge(CREDENTIALS).decode())
        with pytest.raises(SASLFailed, match="not-authorized"):
            server.receive_final(client.get_client_final().encode())


class TestSection5Messages:
    """RFC 5802 section 5.1: attributes, and what they must not be."""

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"n,,",
            b"n,,n=alice",
            b"n,,n=,r=abc",
            b"n,,n=alice,r=",
            b"n,,r=abc,n=alice",
            b"x,,n=alice,r=abc",
            b"p=tls-unique,,n=alice,r=abc",
            b"n,,m=ext,n=alice,r=abc",
            b"n,,n=al=ice,r=abc",
            b"n,,n=a@b,r=abc",
            b"n,,n=alice,r=a\x7fb",
            b"\xff",
            b"n,,n=alice,r=" + b"x" * 5000,
        ],
    )
    def test_malformed_first_message(self, data: bytes) -> None:
        """What breaks the grammar, asks for a binding that is not offered or for an unknown extension."""
        assert failure(data) == "malformed-request"

    @given(st.binary(max_size=40))
    def test_garbage(self, data: bytes) -> None:
        """Any bytes are taken or refused with a condition of SASL."""
        server = exchange()
        with pytest.raises(SASLFailed) as failed:  # noqa: PT012  # the first message may be right, the last cannot
            server.receive_first(data)
            server.challenge(())
            server.receive_final(data)
        assert failed.value.condition in {"malformed-request", "invalid-authzid"}

    def test_client_that_could_bind(self) -> None:
        """The flag y says that the client saw no -PLUS; none is offered, so it is right."""
        exchange().receive_first(b"y,,n=alice,r=abc")

    @pytest.mark.parametrize("final", [b"", b"c=biws,r=abc", b"r=abc,c=biws,p=AAAA", b"c=biws,r=abc,p=AAAA"])
    def test_malformed_final_message(self, final: bytes) -> None:
        """What breaks the grammar, or carries a proof of the wrong length."""
        server = exchange()
        server.receive_first(b"n,,n=alice,r=abc")
        server.challenge(CREDENTIALS)
        with pytest.raises(SASLFailed, match="malformed-request"):
            server.receive_final(final)

    @pytest.mark.parametrize(("binding", "nonce"), [("eSws", None), (GS2, "abc"), (GS2, "other")])
    def test_other_binding_or_nonce(self, binding: str, nonce: str | None) -> None:
        """A proof over another GS2 header or nonce does not authorize, though its arithmetic is right."""
        from raftline.xmpp import sasl

        server = exchange()
        server.receive_first(b"n,,n=alice,r=abc")
        full = server.challenge(CREDENTIALS).decode().partition(",")[0][2:]
        without = f"c={binding},r={nonce or full}"
        signed = f"{server._bare},{server._server_first},{without}".encode()
        salted = sasl.hashlib.pbkdf2_hmac("sha256", b"pencil", CREDENTIALS[0].salt, 4096)
        client_key = sasl.hmac.digest(salted, b"Client Key", "sha256")
        signature = sasl.hmac.digest(CREDENTIALS[0].stored_key, signed, "sha256")
        proof = b64encode(bytes(a ^ b for a, b in zip(client_key, signature, strict=True))).decode()
        with pytest.raises(SASLFailed, match="not-authorized"):
            server.receive_final(f"{without},p={proof}".encode())

    @pytest.mark.parametrize("authzid", ["alice@localhost", "Alice@LOCALHOST"])
    def test_own_authorization_identity(self, authzid: str) -> None:
        """One's own bare JID may be named."""
        exchange().receive_first(f"n,a={authzid},n=alice,r=abc".encode())

    @pytest.mark.parametrize("authzid", ["bob@localhost", "alice", "alice@localhost/x", "alice@example.com", "@"])
    def test_other_authorization_identity(self, authzid: str) -> None:
        """Nobody acts for others (RFC 6120 section 6.5.6)."""
        assert failure(f"n,a={authzid},n=alice,r=abc".encode()) == "invalid-authzid"


class TestSection9Security:
    """RFC 5802 section 9 and RFC 6120 section 13.11: who has an account stays secret."""

    def test_decoys_do_not_change(self) -> None:
        """The salt of an account that does not exist is the same each time, and another for each name and key."""
        first = decoy_credential("SCRAM-SHA-256", "carol", b"key")
        assert first == decoy_credential("SCRAM-SHA-256", "carol", b"key")
        others = [decoy_credential("SCRAM-SHA-256", "dave", b"key"), decoy_credential("SCRAM-SHA-256", "carol", b"k")]
        assert all(other.salt != first.salt for other in others)
        real = derive_credentials("x", lambda count: b"s" * count)[0]
        assert [len(part) for part in (first.salt, first.stored_key)] == [len(real.salt), len(real.stored_key)]
        assert first.iterations == real.iterations

    @pytest.mark.parametrize("credentials", [(), CREDENTIALS])
    def test_unknown_name_looks_like_a_wrong_password(self, credentials: tuple[Credential, ...]) -> None:
        """Both get a challenge of one shape and fail at the end, with the same words."""
        stream = Playbook()
        stream.open()
        client = scramp.ScramClient(["SCRAM-SHA-256"], "carol", "wrong")
        challenge = stream.exchange(
            auth("SCRAM-SHA-256", client.get_client_first().encode()), credential_rules(credentials)
        )
        client.set_server_first(payload(challenge).decode())
        refused = stream.exchange(response(client.get_client_final().encode()))
        assert refused == b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>"

    def test_passwords_are_not_kept(self) -> None:
        """What is kept is salt and keys, with a salt of its own for each mechanism."""
        salts = iter([b"1" * 16, b"2" * 16])
        first, second = derive_credentials("pencil", lambda _: next(salts))
        assert first.salt != second.salt
        assert b"pencil" not in b"".join([first.salt, first.stored_key, first.server_key])


class TestPlain:
    """RFC 4616."""

    def test_message(self) -> None:
        """Name and password, with or without an authorization identity."""
        assert parse_plain(b"\0Alice\0pass word", "localhost") == ("alice", "pass word")
        assert parse_plain(b"alice@localhost\0alice\0x", "localhost") == ("alice", "x")

    @pytest.mark.parametrize("data", [b"", b"alice", b"\0alice", b"\0alice\0", b"\0\0x", b"\0a\0b\0c", b"\0\xff\0x"])
    def test_malformed(self, data: bytes) -> None:
        """Parts that are missing, empty, too many, or no UTF-8."""
        with pytest.raises(SASLFailed, match="malformed-request"):
            parse_plain(data, "localhost")

    def test_needs_tls(self) -> None:
        """PLAIN is not there without TLS, whatever is allowed."""
        stream = Playbook()
        assert b"PLAIN" not in stream.open()
        assert b"<invalid-mechanism/>" in stream.exchange(auth("PLAIN", b"\0alice\0pencil"))

    @pytest.mark.parametrize(("is_right", "credentials"), [(True, CREDENTIALS), (False, CREDENTIALS), (True, ())])
    def test_password_is_checked_off_the_loop(self, is_right: bool, credentials: Any) -> None:
        """A barrier, the credentials, then the check; for a name without account it fails whatever the check says."""
        stream = Playbook(is_secure=True)
        stream.open()
        stream.feed(auth("PLAIN", b"\0alice\0pencil"))
        stream.answer(Barrier)
        assert stream.answer(Ask, credentials).query == CredentialsOf("alice")
        check = stream.answer(CheckPassword, is_right)
        assert check.password == "pencil"
        assert check.credential.mechanism == "SCRAM-SHA-256"
        assert (b"<success" in stream.take()) == (is_right and credentials != ())

    @pytest.mark.parametrize(("password", "is_right"), [("pencil", True), ("Pencil", False), ("", False)])
    def test_check_password(self, password: str, is_right: bool) -> None:
        """Against either kind of credential."""
        assert [check_password(password, credential) for credential in CREDENTIALS] == [is_right] * 2


class TestPasswords:
    """SASLprep (RFC 4013)."""

    @pytest.mark.parametrize(
        ("password", "prepared"),
        [
            ("I\u00adX", "IX"),
            ("user", "user"),
            ("USER", "USER"),
            ("\u00aa", "a"),
            ("\u2168", "IX"),
            ("a\u00a0b", "a b"),
            ("\U0001f511", "\U0001f511"),
        ],
    )
    def test_prepared_form(self, password: str, prepared: str) -> None:
        """The examples of section 3, and an emoji that is younger than they are."""
        assert prepare_password(password) == prepared

    @pytest.mark.parametrize(
        "password", ["", "\u00ad", "\u0007", "\u0627\u0031", "a\u0627", "x" * (PASSWORD_BYTES_MAX + 1)]
    )
    def test_refused(self, password: str) -> None:
        """Nothing, control characters, mixed directions, too much."""
        with pytest.raises(ValueError):
            prepare_password(password)
        assert not check_password(password, CREDENTIALS[0])

    def test_length(self) -> None:
        """The longest password is one."""
        assert prepare_password("x" * PASSWORD_BYTES_MAX)


class TestBase64:
    """RFC 6120 sections 6.5.5 and 13.9.1."""

    @pytest.mark.parametrize("text", ["a", "YQ", "Y Q==", "YQ==\n", "Y*Q=", "\u00e4"])
    def test_incorrect_encoding(self, text: str) -> None:
        """No padding, whitespace, foreign characters."""
        with pytest.raises(SASLFailed, match="incorrect-encoding"):
            decode_base64(text)
