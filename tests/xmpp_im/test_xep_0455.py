"""XEP-0455 Service Outage Status, and forms in service discovery (XEP-0128) with their hashes (XEP-0115, XEP-0390)."""

from __future__ import annotations

import pytest

from raftline.xmpp.capabilities import info_element, server_info
from raftline.xmpp.catalog import all_modules
from raftline.xmpp.element import Element
from raftline.xmpp.payloads import FORM_NAMESPACE, form_field
from raftline.xmpp.xeps import xep_0115_capabilities, xep_0390_capabilities
from raftline.xmpp.xeps.xep_0455_service_outage import status_form

ADDRESSES = ("https://status.example.net/a.json", "https://status.example.com/b.json")


def forms(info: Element) -> list[Element]:
    return [child for child in info.elements() if child.namespace == FORM_NAMESPACE]


class TestSection21Discovery:
    """2.1: the addresses are told with the server's service discovery."""

    def test_told(self) -> None:
        """A form of this type with all addresses."""
        (form,) = forms(server_info(all_modules(status_addresses=ADDRESSES)))
        assert form.get("type") == "result"
        values = {field.get("var"): [value.text for value in field.elements()] for field in form.elements()}
        assert values == {"FORM_TYPE": ["urn:xmpp:sos:0"], "external-status-addresses": list(ADDRESSES)}

    def test_not_told(self) -> None:
        """Without addresses there is no form."""
        assert forms(server_info(all_modules())) == []

    @pytest.mark.parametrize("module", [xep_0115_capabilities, xep_0390_capabilities])
    def test_hashes_follow(self, module) -> None:
        """A client that knows the hash learns of other addresses."""
        nodes = {
            module.node_of(all_modules(status_addresses=addresses))
            for addresses in ((), ADDRESSES, ADDRESSES[:1], ADDRESSES[1:])
        }
        assert len(nodes) == 4


class TestHashes:
    """Forms in the hashes of what the server can do."""

    def info(self, *forms: Element) -> Element:
        info = info_element("client", "pc", "Psi", ["b", "a"])
        info.children.extend(forms)
        return info

    def test_xep_0115(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """XEP-0115 section 5.1: forms by their type, fields by name, values sorted; the type comes first."""
        hashed: list[bytes] = []
        sha1 = xep_0115_capabilities.sha1
        monkeypatch.setattr(xep_0115_capabilities, "sha1", lambda data, **kw: hashed.append(data) or sha1(data, **kw))
        software = Element(
            "x",
            FORM_NAMESPACE,
            {"type": "result"},
            [
                form_field("os", "text-single", "Mac"),
                form_field("FORM_TYPE", "hidden", "urn:xmpp:dataforms:softwareinfo"),
                form_field("ip_version", "text-multi", "ipv6", "ipv4"),
            ],
        )
        xep_0115_capabilities.verification_string(self.info(software, status_form(["z", "y"])))
        expected = "client/pc//Psi<a<b<urn:xmpp:dataforms:softwareinfo<ip_version<ipv4<ipv6<os<Mac<"
        assert hashed == [f"{expected}urn:xmpp:sos:0<external-status-addresses<y<z<".encode()]

    def test_xep_0390(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """XEP-0390 section 4.1: values, fields and forms each sorted, with separators of their own."""
        hashed: list[bytes] = []
        sha256 = xep_0390_capabilities.sha256
        monkeypatch.setattr(xep_0390_capabilities, "sha256", lambda data: hashed.append(data) or sha256(data))
        xep_0390_capabilities.capability_hash(self.info(status_form(["z", "y"])))
        fields = b"FORM_TYPE\x1furn:xmpp:sos:0\x1f\x1eexternal-status-addresses\x1fy\x1fz\x1f\x1e"
        assert hashed == [b"a\x1fb\x1f\x1cclient\x1fpc\x1f\x1fPsi\x1f\x1e\x1c" + fields + b"\x1d\x1c"]
