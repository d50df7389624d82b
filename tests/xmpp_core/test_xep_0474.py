"""XEP-0474 SASL SCRAM Downgrade Protection."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode

import pytest

from raftline.xmpp.xeps.xep_0474_downgrade_protection import downgrade_hash
from xmpp_core.playbook import Playbook, auth, credential_rules, payload
from xmpp_core.sasl2 import NS, Sasl2, authenticate, mechanisms, tree

SASL1 = "urn:ietf:params:xml:ns:xmpp-sasl"
FIRST = b"n,,n=alice,r=abc"


def attributes(message: str) -> dict[str, str]:
    """Read a message of SCRAM."""
    return dict(part.partition("=")[::2] for part in message.split(","))


class TestSection61Hash:
    """6.1: the hash in the server's first message."""

    def test_example(self) -> None:
        """The example of section 6.3."""
        types = ["tls-server-end-point", "tls-exporter"]
        names = ["SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"]
        assert downgrade_hash(names, types, "sha1") == "G6k/rBLDqgOhRRaCuuatSDFkJ08="

    def test_order_does_not_matter(self) -> None:
        """Names are sorted by their octets."""
        assert downgrade_hash(["b", "a", "B"], ["y", "x"], "sha256") == downgrade_hash(
            ["B", "a", "b"], ["x", "y"], "sha256"
        )
        expected = b64encode(hashlib.sha256(b"B\x1ea\x1eb\x1fx\x1ey").digest()).decode()
        assert downgrade_hash(["b", "a", "B"], ["y", "x"], "sha256") == expected

    def test_without_channel_binding(self) -> None:
        """Where no types were announced there is no second list, nor its separator."""
        assert downgrade_hash(["a"], [], "sha256") == b64encode(hashlib.sha256(b"a").digest()).decode()

    @pytest.mark.parametrize("bindings", [None, {}])
    @pytest.mark.parametrize(("mechanism", "hash_name"), [("SCRAM-SHA-256", "sha256"), ("SCRAM-SHA-1", "sha1")])
    def test_what_was_offered(self, bindings: dict[str, bytes] | None, mechanism: str, hash_name: str) -> None:
        """A client that hashes what it saw comes to the same, by either profile."""
        for namespace in (NS, SASL1):
            stream = Sasl2(bindings=bindings)
            features = stream.open()
            seen = [name for name in mechanisms(features, namespace) if not name.startswith("HT-")]
            types = ["tls-server-end-point"] if b"sasl-cb" in features else []
            if namespace == NS:
                first = b64decode(tree(stream.talk(authenticate(mechanism, FIRST))).text or "")
            else:
                first = payload(stream.talk(auth(mechanism, FIRST)))
            assert attributes(first.decode())["h"] == downgrade_hash(seen, types, hash_name)

    def test_without_tls(self) -> None:
        """Two mechanisms are an offer too."""
        stream = Playbook()
        seen = mechanisms(stream.open(), SASL1)
        first = payload(stream.exchange(auth("SCRAM-SHA-256", FIRST), credential_rules(())))
        assert attributes(first.decode())["h"] == downgrade_hash(seen, [], "sha256")


class TestSection62Verification:
    """6.2: it is part of what is signed."""

    @pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1"])
    def test_signed(self, mechanism: str) -> None:
        """A client that read the attribute and signed all of the message is let in."""
        stream = Sasl2()
        stream.open()
        assert b"<success" in stream.scram(mechanism)

    def test_changed_on_the_way(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """If somebody in between changes the attribute, what the client signs is not what we sent."""
        import xmpp_core.sasl2 as client

        def strip(data: bytes) -> object:
            element = tree(data)
            if element.tag == f"{{{NS}}}challenge":
                text = b64decode(element.text or "").decode()
                element.text = b64encode(text.partition(",h=")[0].encode()).decode()
            return element

        monkeypatch.setattr(client, "tree", strip)
        stream = Sasl2()
        stream.open()
        assert b"<not-authorized" in stream.scram("SCRAM-SHA-256")
