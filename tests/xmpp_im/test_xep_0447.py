"""XEP-0447 Stateless File Sharing with XEP-0446 and XEP-0264: of uploads here the server tells all there is to tell."""

from __future__ import annotations

import base64
import hashlib
import xml.etree.ElementTree as ET

import pytest

from raftline.base.limits import WAVEFORM_SIZE
from raftline.machine.media.commands import DescribeFile, StoreUpload
from raftline.machine.outcomes import Done
from raftline.xmpp.upload_addresses import token_of
from xmpp_im.service import Client, Service
from xmpp_im.test_conversation_payloads import EVERYWHERE, reach
from xmpp_im.test_xep_0363 import HOST, INFO, ask, error, make_service, slot

pytestmark = pytest.mark.one_process(reason="files are described by commands of the test, without a file")

MEDIA = "urn:raftline:media:0"
SFS = "{urn:xmpp:sfs:0}"
FILE = "{urn:xmpp:file:metadata:0}"
DIGEST = hashlib.sha256(b"content").digest()
THUMBNAIL = hashlib.sha256(b"thumbnail").digest()


@pytest.fixture
def service() -> Service:
    return make_service()


@pytest.fixture
def alice(service: Service) -> Client:
    return service.bind("alice")


def uploaded(service: Service, client: Client, name: str = "très cool.jpg") -> str:
    """Put a file; returns its address."""
    url = slot(client, name, "7")
    token = token_of(url.split("/")[-2])
    assert token is not None
    assert service.apply(StoreUpload(token, DIGEST, 7, "image/jpeg"), None) == Done()
    return url


def describe(service: Service, **fields: object) -> None:
    assert service.apply(DescribeFile(DIGEST, service.time_ms + 60_000, **fields), None) == Done()  # type: ignore[arg-type]


def metadata(client: Client, url: str) -> ET.Element:
    """Ask what is known of an address."""
    answer = ask(client, f"<metadata xmlns='{MEDIA}' url='{url}'/>")
    assert answer.get("type") == "result", ET.tostring(answer)
    (found,) = answer
    assert found.tag == f"{{{MEDIA}}}metadata"
    return found


def told(found: ET.Element) -> dict[str, str | None]:
    (file,) = found.iter(f"{FILE}file")
    return {child.tag.rpartition("}")[2]: child.text for child in file}


class TestXep0446:
    """The metadata of a file."""

    def test_section_2_a_picture(self, service: Service, alice: Client) -> None:
        """Name, type, size, dimensions and hash."""
        url = uploaded(service, alice)
        describe(service, width=640, height=480)
        found = metadata(alice, url)
        assert (found.get("state"), found.get("url")) == ("described", url)
        assert told(found) == {
            "media-type": "image/jpeg",
            "name": "très cool.jpg",
            "size": "7",
            "width": "640",
            "height": "480",
            "hash": base64.b64encode(DIGEST).decode(),
        }
        (digest,) = found.iter("{urn:xmpp:hashes:2}hash")
        assert digest.get("algo") == "sha-256"

    def test_section_2_a_voice_note(self, service: Service, alice: Client) -> None:
        """Its length in milliseconds; the waveform stands beside, where clients that do not know it pass it over."""
        url = uploaded(service, alice)
        describe(service, duration_ms=1_500, waveform=bytes(range(WAVEFORM_SIZE)))
        found = metadata(alice, url)
        assert told(found)["length"] == "1500"
        assert (found.findtext(f"{{{MEDIA}}}waveform") or "").split() == [str(one) for one in range(WAVEFORM_SIZE)]

    def test_section_3_no_paths_in_names(self, service: Service, alice: Client) -> None:
        """What looks like a directory is gone from the name before anybody sees it."""
        url = uploaded(service, alice, "../../etc/passwd")
        describe(service)
        assert told(metadata(alice, url))["name"] == "passwd"


class TestXep0264:
    """The thumbnail of a file."""

    def test_section_3(self, service: Service, alice: Client) -> None:
        """An address under which it is read, its media type and its dimensions."""
        url = uploaded(service, alice)
        describe(
            service,
            width=640,
            height=480,
            thumbnail=THUMBNAIL,
            thumbnail_size=900,
            thumbnail_type="image/jpeg",
            thumbnail_width=320,
            thumbnail_height=240,
        )
        (thumbnail,) = metadata(alice, url).iter("{urn:xmpp:thumbs:1}thumbnail")
        wanted = {"uri": f"{url}?thumbnail", "media-type": "image/jpeg", "width": "320", "height": "240"}
        assert thumbnail.attrib == wanted


class TestXep0447:
    """The element that is sent on."""

    def test_section_3_1_source(self, service: Service, alice: Client) -> None:
        """The address is the source."""
        url = uploaded(service, alice)
        (sharing,) = metadata(alice, url).iter(f"{SFS}file-sharing")
        (source,) = sharing.iter("{http://jabber.org/protocol/url-data}url-data")
        assert source.get("target") == url

    @pytest.mark.parametrize("element", ["file-sharing", "sources"])
    def test_section_3_messages(self, element: str) -> None:
        """A file without a text, and a source that is attached later, reach everybody and every archive."""
        assert reach(f"<{element} xmlns='urn:xmpp:sfs:0'/>") == EVERYWHERE


class TestState:
    """`urn:raftline:media:0`."""

    def test_it_is_announced(self, alice: Client) -> None:
        """By the host of uploads."""
        (info,) = ask(alice, f"<query xmlns='{INFO}'/>")
        assert MEDIA in [feature.get("var") for feature in info.iter(f"{{{INFO}}}feature")]

    def test_pending_and_none(self, service: Service, alice: Client) -> None:
        """What is known without looking into a file is told in any case."""
        url = uploaded(service, alice)
        found = metadata(alice, url)
        assert (found.get("state"), found.get("reason"), told(found)["size"]) == ("pending", None, "7")
        describe(service, lack="unreadable")
        found = metadata(alice, url)
        assert (found.get("state"), found.get("reason"), told(found)["size"]) == ("none", "unreadable", "7")

    def test_whoever_knows_the_address(self, service: Service, alice: Client) -> None:
        """As with the file itself."""
        url = uploaded(service, alice)
        assert metadata(service.bind("bob"), url).get("state") == "pending"

    def test_addresses_of_other_nodes(self, service: Service, alice: Client) -> None:
        """Any node tells of any file, by an address that leads to where this node's do."""
        url = uploaded(service, alice)
        assert metadata(alice, url.replace("one.", "two.")).get("url") == url

    @pytest.mark.parametrize(
        "url", ["", "https://one.example.org/", "https://one.example.org/upload/xy/a", "/upload/" + "0" * 30 + "/a"]
    )
    def test_no_address(self, alice: Client, url: str) -> None:
        """An address that is none is refused."""
        answer = ask(alice, f"<metadata xmlns='{MEDIA}' url='{url}'/>", HOST)
        assert error(answer) == ("modify", "bad-request")

    def test_no_file(self, service: Service, alice: Client) -> None:
        """An open slot, another name, another token."""
        url = slot(alice, "a.jpg", "7")
        for wrong in (url, f"https://x/upload/{'0' * 32}/a.jpg", uploaded(service, alice)[:-1]):
            answer = ask(alice, f"<metadata xmlns='{MEDIA}' url='{wrong}'/>")
            assert error(answer) == ("cancel", "item-not-found")
