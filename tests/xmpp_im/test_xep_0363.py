"""XEP-0363 HTTP File Upload, as XMPP has it; tests/gateway/test_upload.py has what HTTP does."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from urllib.parse import unquote, urlsplit

import pytest

from raftline.base.ids import AccountId
from raftline.base.limits import UPLOAD_NAME_SIZE_MAX, UPLOAD_SLOT_COUNT_MAX
from raftline.machine.media.commands import StoreUpload
from raftline.machine.media.queries import UploadOf
from raftline.machine.media.values import UploadView
from raftline.machine.outcomes import Done
from raftline.xmpp.jid import parse_jid
from raftline.xmpp.xeps.xep_0363_http_upload import UploadService, clean_name, is_refused_type, media_type_of
from xmpp_im.playbook import tree
from xmpp_im.service import Client, Service

pytestmark = pytest.mark.one_process(reason="sizes, quotas and addresses are those of the test")

UPLOAD = "urn:xmpp:http:upload:0"
PURPOSE = "urn:xmpp:http:upload:purpose:0"
ERRORS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
HOST = "upload.example.org"
SIZE_MAX = 20_000


def make_service(**changes: object) -> Service:
    tokens = itertools.count(1)
    offered = UploadService(
        base_url=lambda: "https://one.example.org:5443",
        draw_token=lambda: next(tokens).to_bytes(16, "big"),
        size_max=SIZE_MAX,
        bytes_max=100_000,
        file_count_max=50,
        refused_types=("text/html", "application/*"),
    )
    return Service("alice", "bob", uploads=offered._replace(**changes))  # type: ignore[arg-type]


@pytest.fixture
def service() -> Service:
    """A service that takes files of 20,000 bytes."""
    return make_service()


@pytest.fixture
def alice(service: Service) -> Client:
    """A client of it."""
    return service.bind("alice")


def ask(client: Client, payload: str, to: str = HOST) -> ET.Element:
    """Send a request and return the answer."""
    client.take()
    client.write(f"<iq to='{to}' type='get' id='q'>{payload}</iq>")
    (answer,) = client.take()
    return tree(answer)


def request(
    client: Client, filename: str = "cat.jpg", size: str = "23456", content: str = "", **attributes: str
) -> ET.Element:
    more = "".join(f" {name.replace('_', '-')}='{value}'" for name, value in attributes.items())
    return ask(client, f"<request xmlns='{UPLOAD}' filename='{filename}' size='{size}'{more}>{content}</request>")


def slot(client: Client, *arguments: str, **attributes: str) -> str:
    """Ask for a slot and return its address, which is the same for both ways."""
    answer = request(client, *arguments, **attributes)
    assert answer.get("type") == "result", ET.tostring(answer)
    assert answer.get("from") == HOST
    (found,) = answer
    assert found.tag == f"{{{UPLOAD}}}slot"
    urls = {child.tag.partition("}")[2]: child.get("url") for child in found}
    assert urls["put"] is not None
    assert urls == {"put": urls["put"], "get": urls["put"]}
    assert not list(found[0])  # no headers to send along
    return urls["put"]


def error(answer: ET.Element) -> tuple[str | None, str]:
    """Return type and condition of an error."""
    assert answer.get("type") == "error"
    (found,) = answer.iter("{jabber:client}error")
    return found.get("type"), found[0].tag.removeprefix(ERRORS)


class TestSection3DiscoveringSupport:
    """3: how it is found."""

    def test_the_server_lists_the_host(self, alice: Client) -> None:
        """Among the items of the server."""
        items = ask(alice, f"<query xmlns='{ITEMS}'/>", "example.org")
        assert (HOST, "HTTP File Upload") in [(item.get("jid"), item.get("name")) for item in items[0]]

    def test_feature_and_greatest_size(self, alice: Client) -> None:
        """A store of files, with the greatest size in bytes in a form."""
        (info,) = ask(alice, f"<query xmlns='{INFO}'/>")
        identities = [(one.get("category"), one.get("type")) for one in info.iter(f"{{{INFO}}}identity")]
        features = {one.get("var") for one in info.iter(f"{{{INFO}}}feature")}
        assert identities == [("store", "file")]
        assert {UPLOAD, INFO, ITEMS} <= features
        form = info.find("{jabber:x:data}x")
        assert form is not None
        fields = {field.get("var"): field[0].text for field in form}
        assert (form.get("type"), fields) == ("result", {"FORM_TYPE": UPLOAD, "max-file-size": str(SIZE_MAX)})

    def test_a_quota_below_the_greatest_size(self) -> None:
        """Nobody is told of a size that nobody may have."""
        client = make_service(bytes_max=500).bind("alice")
        (info,) = ask(client, f"<query xmlns='{INFO}'/>")
        assert "500" in [value.text for value in info.iter("{jabber:x:data}value")]
        assert error(request(client, size="501")) == ("modify", "not-acceptable")

    def test_no_nodes_no_items(self, alice: Client) -> None:
        """The host has neither, and answers a ping."""
        assert len(ask(alice, f"<query xmlns='{ITEMS}'/>")[0]) == 0
        for namespace in (INFO, ITEMS):
            assert error(ask(alice, f"<query xmlns='{namespace}' node='x'/>")) == ("cancel", "item-not-found")
        assert ask(alice, "<ping xmlns='urn:xmpp:ping'/>").get("type") == "result"

    def test_nothing_else_is_answered(self, alice: Client) -> None:
        """Nobody lives at this host, and it takes no messages."""
        assert error(ask(alice, f"<query xmlns='{INFO}'/>", f"x@{HOST}")) == ("cancel", "service-unavailable")
        alice.write(f"<message to='{HOST}'><body>hello</body></message>")
        assert error(tree(alice.take()[0])) == ("cancel", "service-unavailable")

    def test_without_an_offer(self) -> None:
        """A service that is not set up for files has no such host."""
        alice = Service("alice").bind("alice")
        assert error(request(alice)) == ("cancel", "remote-server-not-found")


class TestSection4RequestingASlot:
    """4: a place for one file."""

    def test_a_slot(self, service: Service, alice: Client) -> None:
        """Both addresses are that of the slot, which the cluster knows by the token in it."""
        url = slot(alice, "cat.jpg", "1234", content_type="image/jpeg")
        assert url == f"https://one.example.org:5443/upload/{1:032x}/cat.jpg"
        view = service.machine.answer(UploadOf((1).to_bytes(16, "big")))
        assert view == UploadView("cat.jpg", 1234, "image/jpeg", 0, b"", is_over=False, account_id=AccountId(1))

    def test_the_type_is_optional(self, service: Service, alice: Client) -> None:
        """A slot without a type takes any."""
        slot(alice, "cat.jpg", "1234")
        view = service.machine.answer(UploadOf((1).to_bytes(16, "big")))
        assert isinstance(view, UploadView)
        assert view.content_type == ""

    def test_no_two_slots_have_one_address(self, alice: Client) -> None:
        """Each has its own chance in it."""
        assert slot(alice, "a.jpg", "1") != slot(alice, "a.jpg", "1")

    @pytest.mark.parametrize(
        "name",
        ["très cool.jpg", "寝ている猫.png", "a+b&amp;c%20?#x.txt", "no ending", ".hidden", "🐈.gif", "a&apos;b.txt"],
    )
    def test_the_name_stays_intact(self, alice: Client, name: str) -> None:
        """Also one that is not ASCII: it is percent-encoded, and the address is a URI."""
        url = slot(alice, name, "1")
        assert url.isascii()
        plain = ET.fromstring(f"<x>{name}</x>").text
        assert unquote(urlsplit(url).path.rpartition("/")[2]) == plain

    @pytest.mark.parametrize(
        ("name", "kept"),
        [
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\anna\\cat.jpg", "cat.jpg"),
            ("  cat.jpg ", "cat.jpg"),
            ("a\u202egpj.exe", "agpj.exe"),
            ("cafe\u0301.txt", "café.txt"),
            ("a\x07b\u2028c.txt", "abc.txt"),
        ],
    )
    def test_names_are_cleaned(self, name: str, kept: str) -> None:
        """No directories, no characters that nobody sees, one form of each letter."""
        assert clean_name(name) == kept

    @pytest.mark.parametrize("name", ["", " ", "/", "a/", "..", ".", "\u202e", "\x01"])
    def test_no_name(self, name: str) -> None:
        """Nothing is left of it."""
        with pytest.raises(ValueError, match="no name"):
            clean_name(name)

    def test_long_names_keep_their_ending(self) -> None:
        """In bytes, and no character is cut in two."""
        assert clean_name("x" * 251 + ".jpg") == "x" * 251 + ".jpg"
        assert clean_name("x" * 252 + ".jpg") == "x" * 251 + ".jpg"
        long = clean_name("é" * 200 + ".jpeg")
        assert (long, len(long.encode())) == ("é" * 125 + ".jpeg", UPLOAD_NAME_SIZE_MAX)
        assert clean_name("x" * 100 + "." + "y" * 300) == "x" * 100 + "." + "y" * 154

    @pytest.mark.parametrize("size", ["", "0", "-1", "1.5", "1e3", "x", " 5", "9" * 19, "٣"])
    def test_no_size(self, alice: Client, size: str) -> None:
        """It is a positive number of bytes."""
        assert error(request(alice, size=size)) == ("modify", "bad-request")

    def test_what_is_missing(self, alice: Client) -> None:
        """Name and size have to be there."""
        for attributes in ("filename='a'", "size='1'", ""):
            answer = ask(alice, f"<request xmlns='{UPLOAD}' {attributes}/>")
            assert error(answer) == ("modify", "bad-request")

    @pytest.mark.parametrize(
        "text", ["image", "image/", "/jpeg", "image/jpeg/x", "im age/jpeg", "x" * 128 + "/y", "a/b\r\nc: d"]
    )
    def test_no_type(self, text: str) -> None:
        """What is no media type might be a header of somebody's answer."""
        with pytest.raises(ValueError, match="no media type"):
            media_type_of(text)

    def test_types_with_parameters(self, alice: Client) -> None:
        """They are media types, too."""
        slot(alice, "a.txt", "1", content_type="text/plain; charset=utf-8")
        assert error(request(alice, "a", "1", content_type="nonsense")) == ("modify", "bad-request")


class TestSection5UploadPurpose:
    """5: for how long a file is wanted."""

    @staticmethod
    def purposes(client: Client) -> set[str]:
        (info,) = ask(client, f"<query xmlns='{INFO}'/>")
        features = {one.get("var") or "" for one in info.iter(f"{{{INFO}}}feature")}
        return {one.removeprefix(f"{PURPOSE}#") for one in features if one.startswith(PURPOSE)}

    def test_what_is_announced(self, alice: Client) -> None:
        """Files stay for ever unless the operator says otherwise."""
        assert self.purposes(alice) == {"message", "ephemeral", "permanent"}
        assert self.purposes(make_service(keep_ms=1_000).bind("alice")) == {"message", "ephemeral"}

    @pytest.mark.parametrize("purpose", ["", f"<message xmlns='{PURPOSE}'/>", f"<permanent xmlns='{PURPOSE}'/>"])
    def test_files_that_stay(self, service: Service, alice: Client, purpose: str) -> None:
        """The default is a message's; none of these ends."""
        slot(alice, "a", "1", content=purpose)
        view = service.machine.answer(UploadOf((1).to_bytes(16, "big")))
        assert isinstance(view, UploadView)
        assert view.until_ms == 0

    def test_files_that_go(self, service: Service, alice: Client) -> None:
        """An ephemeral file has the end that was asked for, or the operator's if that is earlier."""
        ephemeral = f"<ephemeral xmlns='{PURPOSE}' expire-before='1970-01-01T01:00:00.5Z'/>"
        slot(alice, "a", "1", content=ephemeral)
        view = service.machine.answer(UploadOf((1).to_bytes(16, "big")))
        assert isinstance(view, UploadView)
        assert view.until_ms == 3_600_500

    @pytest.mark.parametrize("attribute", ["", "expire-before='soon'", "expire-before='2026-01-01'"])
    def test_no_end(self, alice: Client, attribute: str) -> None:
        """An ephemeral file says when it ends."""
        answer = request(alice, "a", "1", content=f"<ephemeral xmlns='{PURPOSE}' {attribute}/>")
        assert error(answer) == ("modify", "bad-request")

    def test_an_end_that_was(self, alice: Client) -> None:
        """Such a file could never be read."""
        ephemeral = f"<ephemeral xmlns='{PURPOSE}' expire-before='1969-01-01T00:00:00Z'/>"
        assert error(request(alice, "a", "1", content=ephemeral)) == ("modify", "not-acceptable")


class TestSection6ErrorConditions:
    """6: instead of a slot."""

    def test_too_large(self, alice: Client) -> None:
        """The greatest size is taken; a byte more is not, and the error says how large a file may be."""
        slot(alice, size=str(SIZE_MAX))
        answer = request(alice, size=str(SIZE_MAX + 1))
        assert error(answer) == ("modify", "not-acceptable")
        assert answer.findtext(f".//{{{UPLOAD}}}file-too-large/{{{UPLOAD}}}max-file-size") == str(SIZE_MAX)
        assert answer.findtext(f".//{ERRORS}text")

    def test_over_quota(self, alice: Client) -> None:
        """A temporary error, with the time at which the first slot ends, in UTC."""
        for _ in range(5):
            slot(alice, size=str(SIZE_MAX))
        answer = request(alice, size="1")
        assert error(answer) == ("wait", "resource-constraint")
        retry = answer.find(f".//{{{UPLOAD}}}retry")
        assert retry is not None
        assert (retry.get("stamp") or "").startswith("1970-01-01T00:05:")
        assert (retry.get("stamp") or "").endswith("Z")

    def test_too_many_open_slots(self, alice: Client) -> None:
        """A temporary error, too."""
        for _ in range(UPLOAD_SLOT_COUNT_MAX):
            slot(alice, size="1")
        answer = request(alice, size="1")
        assert error(answer) == ("wait", "resource-constraint")
        assert answer.find(f".//{{{UPLOAD}}}retry") is not None

    def test_a_quota_that_stays_full(self, service: Service, alice: Client) -> None:
        """A permanent error: nothing ends by itself."""
        for number in range(1, 6):
            slot(alice, size=str(SIZE_MAX))
            stored = StoreUpload(number.to_bytes(16, "big"), bytes([number]) * 32, SIZE_MAX, "")
            assert service.apply(stored, None) == Done()
        answer = request(alice, size="1")
        assert error(answer) == ("cancel", "resource-constraint")
        assert answer.find(f".//{{{UPLOAD}}}retry") is None

    def test_refused_types(self, alice: Client) -> None:
        """By name and by kind, however they are written."""
        for text in ("text/html", "TEXT/HTML; charset=utf-8", "application/zip"):
            assert error(request(alice, "a", "1", content_type=text)) == ("modify", "not-acceptable")
        slot(alice, "a", "1", content_type="text/plain")
        assert is_refused_type("", ("text/html",)) is False

    def test_strangers(self, alice: Client) -> None:
        """Only accounts of the service upload; a session of another domain is sent away."""
        alice.jid = parse_jid("alice@elsewhere.example/phone")
        assert error(request(alice, "a", "1")) == ("auth", "forbidden")
