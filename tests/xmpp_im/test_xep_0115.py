"""XEP-0115 Entity Capabilities and XEP-0390, its second version: the hashes, and discovery under them."""

from __future__ import annotations

import pytest

from raftline.base.errors import Refused
from raftline.xmpp.capabilities import INFO_NAMESPACE, info_element, server_info
from raftline.xmpp.catalog import all_modules
from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration, Modules
from raftline.xmpp.payloads import stored_element
from raftline.xmpp.xeps import xep_0115_capabilities, xep_0390_capabilities
from raftline.xmpp.xeps.xep_0030_disco import handle_server_info, handle_server_items
from xmpp_im.playbook import FakeContext, Playbook, stanza
from xmpp_im.service import Service

MODULES = all_modules()


def test_verification_string_of_the_specification() -> None:
    """XEP-0115 section 5.2: the simple example."""
    features = [
        "http://jabber.org/protocol/muc",
        "http://jabber.org/protocol/disco#items",
        "http://jabber.org/protocol/caps",
        "http://jabber.org/protocol/disco#info",
    ]
    info = info_element("client", "pc", "Exodus 0.9.1", features)
    assert xep_0115_capabilities.verification_string(info) == "QgayPKawpkPSDYmwT/WM94uAlu0="


def test_capability_hash_of_the_specification() -> None:
    """XEP-0390 section 4.5.1: the simple example."""
    protocols = ["si", "bytestreams", "chatstates", "disco#info", "disco#items", "rosterx", "ibb"]
    protocols.append("si/profile/file-transfer")
    features = [f"http://jabber.org/protocol/{name}" for name in protocols]
    features += ["urn:xmpp:ping", "urn:xmpp:time", "urn:xmpp:receipts", "jabber:x:oob"]
    features += [f"jabber:iq:{name}" for name in ("time", "privacy", "version", "roster", "last")]
    info = info_element("client", "mobile", "BombusMod", features)
    assert xep_0390_capabilities.capability_hash(info) == "kzBZbkqJ3ADrj7v08reD1qcWUwNGHaidNUgD7nHpiw8="


SOFTWARE = (
    "<x xmlns='jabber:x:data' type='result'>"
    "<field type='hidden' var='FORM_TYPE'><value>urn:xmpp:dataforms:softwareinfo</value></field>"
    "{}<field var='software'><value>{}</value></field><field var='software_version'><value>{}</value></field>"
    "<field var='os'><value>{}</value></field><field var='os_version'><value>{}</value></field></x>"
)


def test_verification_string_with_forms() -> None:
    """XEP-0115 section 5.3: the complex example, with two languages and a form."""
    identity = "<identity xml:lang='{}' category='client' name='{} 0.11' type='pc'/>"
    versions = "<field var='ip_version' type='text-multi'><value>ipv4</value><value>ipv6</value></field>"
    features = "".join(
        f"<feature var='http://jabber.org/protocol/{name}'/>" for name in ("caps", "disco#info", "disco#items", "muc")
    )
    form = SOFTWARE.format(versions, "Psi", "0.11", "Mac", "10.5.1")
    identities = identity.format("en", "Psi") + identity.format("el", "\u03a8")
    info = stored_element(f"<query xmlns='{INFO_NAMESPACE}'>{identities}{features}{form}</query>".encode())
    assert xep_0115_capabilities.verification_string(info) == "q07IKJEyjvHSyhy//CH0CxmKi8w="


def test_capability_hash_with_forms() -> None:
    """XEP-0390 section 4.5.2: the complex example."""
    protocols = (
        "activity activity+notify bytestreams chatstates commands disco#info disco#items evil feature-neg geoloc"
    )
    protocols += " geoloc+notify ibb iqibb mood mood+notify rosterx si si/profile/file-transfer tune"
    names = [f"http://jabber.org/protocol/{name}" for name in protocols.split()]
    iqs = "avatar browse dtcp filexfer ibb inband jidlink last oob privacy roster time version"
    names += [f"jabber:iq:{name}" for name in iqs.split()] + [f"jabber:x:{name}" for name in ("data", "event", "oob")]
    names += [f"urn:xmpp:{name}" for name in ("avatar:metadata+notify", "ping", "receipts", "time")]
    names += ["games:board", "http://www.facebook.com/xmpp/messages"]
    names += ["http://www.xmpp.org/extensions/xep-0084.html#ns-metadata+notify"]
    identity = "<identity category='client' name='{}' type='pc' xml:lang='{}'/>"
    identities = identity.format("Tkabber", "en") + identity.format("\u0422\u043a\u0430\u0431\u0431\u0435\u0440", "ru")
    features = "".join(f"<feature var='{name}'/>" for name in names)
    form = SOFTWARE.format("", "Tkabber", "0.11.1-svn-20111216-mod (Tcl/Tk 8.6b2)", "Windows", "XP")
    info = stored_element(f"<query xmlns='{INFO_NAMESPACE}'>{identities}{features}{form}</query>".encode())
    assert xep_0390_capabilities.capability_hash(info) == "u79ZroNJbdSWhdSp311mddz44oHHPsEBntQ5b1jqBSY="


@pytest.mark.parametrize("module", [xep_0115_capabilities, xep_0390_capabilities])
def test_the_hash_is_of_what_discovery_answers(module) -> None:
    """XEP-0115 6.2, XEP-0390 5.5: asked under the node, the server answers with what the hash is of, and the node."""
    book = Playbook(FakeContext(modules=MODULES))
    node = module.node_of(MODULES)
    request = stanza(f"<iq to='example.org' type='get' id='1'><query xmlns='{INFO_NAMESPACE}' node='{node}'/></iq>")
    info = book.play(handle_server_info(book.context, request))
    assert info.attributes == {"node": node}
    assert info.children == server_info(MODULES).children


def test_another_node_is_not_found() -> None:
    """XEP-0030 section 3.1: an old hash, and a node that never was; items are under none."""
    book = Playbook(FakeContext(modules=MODULES))
    for node in (f"{xep_0115_capabilities.NODE}#old", "x"):
        query = f"<query xmlns='{INFO_NAMESPACE}' node='{node}'/>"
        request = stanza(f"<iq to='example.org' type='get' id='1'>{query}</iq>")
        assert book.refusal(handle_server_info(book.context, request)) == ("item-not-found", "cancel")
    node = xep_0115_capabilities.node_of(MODULES)
    query = f"<query xmlns='http://jabber.org/protocol/disco#items' node='{node}'/>"
    with pytest.raises(Refused, match="node"):
        next(handle_server_items(book.context, stanza(f"<iq to='example.org' type='get' id='1'>{query}</iq>")))


def test_stream_features() -> None:
    """XEP-0115 6.3, XEP-0390 5.2: both hashes, as in the names of the nodes."""
    first = xep_0115_capabilities.feature_element(MODULES)
    assert first.attributes["hash"] == "sha-1"
    assert f"{first.attributes['node']}#{first.attributes['ver']}" == xep_0115_capabilities.node_of(MODULES)
    [value] = xep_0390_capabilities.feature_element(MODULES).elements()
    assert value == Element("hash", "urn:xmpp:hashes:2", {"algo": "sha-256"}, [value.text])
    assert xep_0390_capabilities.node_of(MODULES) == f"urn:xmpp:caps#sha-256.{value.text}"


def test_the_hash_follows_the_modules() -> None:
    """Another feature, another hash."""
    modules = Modules()
    before = xep_0115_capabilities.node_of(modules), xep_0390_capabilities.node_of(modules)
    modules.declare(Declaration(number=1, title="x", version="1", features=("urn:x",)))
    after = xep_0115_capabilities.node_of(modules), xep_0390_capabilities.node_of(modules)
    assert before[0] != after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize(
    "child",
    [
        "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:x' ver='abc='/>",
        "<c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>abc=</hash></c>",
        "<x xmlns='vcard-temp:x:update'><photo>01b87fcd030b72895ff8e88db57ec525450f000d</photo></x>",
    ],
    ids=["XEP-0115", "XEP-0390", "XEP-0153"],
)
def test_what_clients_say_in_presence_is_passed_on(child: str) -> None:
    """XEP-0115 4, XEP-0390 5.4, XEP-0153 4.1: capabilities and the hash of a picture reach contacts untouched."""
    service = Service("alice", "bob")
    alice, bob = service.bind("alice"), service.bind("bob")
    alice.write("<presence/>")
    alice.write("<presence to='bob@example.org' type='subscribe'/>")
    bob.write("<presence to='alice@example.org' type='subscribed'/>")
    alice.take()
    bob.write(f"<presence>{child}</presence>")
    [presence] = [data for data in alice.take() if data.startswith(b"<presence")]
    assert child.encode() in presence
