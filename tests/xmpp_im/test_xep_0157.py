"""XEP-0157 Contact Addresses for XMPP Services: the form in the server's service discovery, and its part in hashes."""

from __future__ import annotations

from raftline.xmpp.capabilities import forms_of, server_info
from raftline.xmpp.catalog import all_modules
from raftline.xmpp.xeps import xep_0115_capabilities, xep_0390_capabilities
from xmpp_im.playbook import tree

FORM = "{jabber:x:data}x"


def test_addresses() -> None:
    """3: a form of type result, by its FORM_TYPE that of the server, with a field for each kind that has addresses."""
    contacts = {"abuse": ["mailto:abuse@example.org", "xmpp:abuse@example.org"], "status": [], "admin": ["xmpp:a@b"]}
    info = server_info(all_modules(contacts=contacts))
    assert forms_of(info) == [
        [
            ("FORM_TYPE", ["http://jabber.org/network/serverinfo"]),
            ("abuse-addresses", ["mailto:abuse@example.org", "xmpp:abuse@example.org"]),
            ("admin-addresses", ["xmpp:a@b"]),
        ]
    ]
    [form] = tree(info.serialize()).iter(FORM)
    assert form.get("type") == "result"
    assert form[0].get("type") == "hidden"


def test_none() -> None:
    """Without addresses there is no form."""
    assert forms_of(server_info(all_modules(contacts={"abuse": ()}))) == []
    assert forms_of(server_info(all_modules())) == []


def test_hashes_cover_them() -> None:
    """XEP-0115 5.1, XEP-0390 4.1: who caches by hash sees another address."""
    one, other = (all_modules(contacts={"abuse": [f"xmpp:{name}@example.org"]}) for name in ("a", "b"))
    for module in (xep_0115_capabilities, xep_0390_capabilities):
        assert module.node_of(one) != module.node_of(other)
