"""Addresses (RFC 7622)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftline.xmpp.jid import JID, JID_CACHE_LENGTH_MAX, parse_jid, prepare_domain, prepare_local, prepare_resource


class TestSection31Fundamentals:
    """Section 3.1: how the parts are told apart."""

    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("juliet@example.com", ("juliet", "example.com", "")),
            ("juliet@example.com/foo", ("juliet", "example.com", "foo")),
            ("juliet@example.com/foo bar", ("juliet", "example.com", "foo bar")),
            ("juliet@example.com/foo@bar", ("juliet", "example.com", "foo@bar")),
            ("juliet@example.com/foo/bar", ("juliet", "example.com", "foo/bar")),
            ("foo\\20bar@example.com", ("foo\\20bar", "example.com", "")),
            ("fussball@example.com", ("fussball", "example.com", "")),
            ("fu\u00dfball@example.com", ("fu\u00dfball", "example.com", "")),
            ("\u03c0@example.com", ("\u03c0", "example.com", "")),
            ("\u03a3@example.com/foo", ("\u03c3", "example.com", "foo")),
            ("king@example.com/\u265a", ("king", "example.com", "\u265a")),
            ("example.com", ("", "example.com", "")),
            ("example.com/foobar", ("", "example.com", "foobar")),
            ("a.example.com/b@example.net", ("", "a.example.com", "b@example.net")),
        ],
    )
    def test_examples_of_section_35(self, text: str, parts: tuple[str, str, str]) -> None:
        """The valid addresses of table 1 parse into their parts."""
        jid = parse_jid(text)
        assert (jid.local, jid.domain, jid.resource) == parts

    @pytest.mark.parametrize(
        "text",
        [
            '"juliet"@example.com',
            "foo bar@example.com",
            "juliet@example.com/",
            "@example.com/",
            "@example.com",
            "henry\u2163@example.com",
            "\u265a@example.com",
            "juliet@",
            "/foobar",
            "",
            "a@b@c",
        ],
    )
    def test_counterexamples_of_section_35(self, text: str) -> None:
        """The invalid addresses of table 2, and a few more, are refused."""
        with pytest.raises(ValueError):
            parse_jid(text)

    @given(st.text(max_size=60))
    def test_any_text_parses_or_is_refused(self, text: str) -> None:
        """Whatever comes, the answer is an address that prepares to itself, or ValueError."""
        try:
            jid = parse_jid(text)
        except ValueError:
            return
        assert parse_jid(str(jid)) == jid

    def test_long_addresses_are_not_remembered(self) -> None:
        """An address too long for the cache parses as well as a short one."""
        text = f"a@b/{'r' * JID_CACHE_LENGTH_MAX}"
        assert str(parse_jid(text)) == text


class TestSection32Domain:
    """Section 3.2: the domain."""

    @pytest.mark.parametrize(
        ("text", "prepared"),
        [
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("B\u00dcCHER.example", "b\u00fccher.example"),
            ("xn--bcher-kva.example", "b\u00fccher.example"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("a" * 63, "a" * 63),
        ],
    )
    def test_prepared_form(self, text: str, prepared: str) -> None:
        """Lower case, U-labels, no final dot."""
        assert prepare_domain(text) == prepared

    @pytest.mark.parametrize(
        "text", ["", ".", "a..b", "-a", "a-", "a b", "a_b", "a" * 64, "xn--a\u00e4", "xn--\u00e4", "[::1"]
    )
    def test_refused(self, text: str) -> None:
        """Empty labels, bad characters, and what is too long by one."""
        with pytest.raises(ValueError):
            prepare_domain(text)

    def test_length(self) -> None:
        """1,023 bytes pass, more do not."""
        assert len(prepare_domain("a" + ".a" * 511)) == 1023
        with pytest.raises(ValueError):
            prepare_domain("aa" + ".a" * 511)


class TestSection33Local:
    """Section 3.3: the local part."""

    @pytest.mark.parametrize("char", "\"&'/:<>@ ")
    def test_forbidden_characters(self, char: str) -> None:
        """Each of the nine characters is refused, in the fast path and beside others."""
        for text in (f"a{char}b", f"\u00e4{char}b"):
            with pytest.raises(ValueError):
                prepare_local(text)

    def test_fullwidth_forms_are_mapped(self) -> None:
        """Fullwidth letters are their narrow ones, and a fullwidth at-sign does not slip in."""
        assert prepare_local("\uff21\uff22") == "ab"
        with pytest.raises(ValueError):
            prepare_local("a\uff20b")

    def test_case(self) -> None:
        """Case does not tell accounts apart, in ASCII or beyond."""
        assert prepare_local("JULIET") == prepare_local("juliet")
        assert prepare_local("\u00c4") == prepare_local("\u00e4")

    def test_length(self) -> None:
        """1,023 bytes pass, 1,024 do not."""
        assert len(prepare_local("a" * 1023)) == 1023
        for text in ("a" * 1024, "\u00e4" * 512, ""):
            with pytest.raises(ValueError):
                prepare_local(text)

    @given(st.text(alphabet=st.characters(min_codepoint=0, max_codepoint=127), min_size=1, max_size=8))
    def test_fast_path_agrees_with_precis(self, text: str) -> None:
        """For ASCII the short way gives what the PRECIS profile gives, or refuses with it."""
        from precis_i18n import get_profile

        try:
            expected = get_profile("UsernameCaseMapped").enforce(text)
        except ValueError:
            expected = None
        if expected is not None and set(expected) & set("\"&'/:<>@"):
            expected = None
        try:
            actual = prepare_local(text)
        except ValueError:
            actual = None
        assert actual == expected


class TestSection34Resource:
    """Section 3.4: the resource."""

    def test_case_and_spaces_are_kept(self) -> None:
        """OpaqueString changes neither."""
        assert prepare_resource(" Home  1 ") == " Home  1 "

    def test_other_spaces_become_spaces(self) -> None:
        """A no-break space is a space."""
        assert prepare_resource("a\u00a0b") == "a b"

    def test_controls_are_refused(self) -> None:
        """Control characters are in no string class."""
        for text in ("a\x00", "a\n", "\x7f", ""):
            with pytest.raises(ValueError):
                prepare_resource(text)

    def test_length(self) -> None:
        """1,023 bytes pass, 1,024 do not."""
        assert len(prepare_resource("a" * 1023)) == 1023
        with pytest.raises(ValueError):
            prepare_resource("a" * 1024)


class TestJid:
    """The value."""

    def test_equality_and_text(self) -> None:
        """Equal parts are equal addresses with one text and one hash."""
        first, second = JID("a", "b", "c"), parse_jid("A@B/c")
        assert first == second
        assert hash(first) == hash(second)
        assert str(first) == "a@b/c"

    def test_bare(self) -> None:
        """The bare address has no resource, and is its own bare address."""
        full = parse_jid("a@b/c")
        assert str(full.bare) == "a@b"
        assert full.bare.is_bare
        assert not full.is_bare
        assert full.bare.bare is full.bare
