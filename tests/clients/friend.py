"""The other side of a conversation: a bare client whose every stanza is known, so that what fails is what is tested."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from clients.device import SHOW_TIMEOUT_S, Account, Door
from integration.xmpp_raw import ANSWER_TIMEOUT_S, NS_CLIENT, NS_STANZA_ERROR, RawClient, condition_of

NS_ROSTER = "jabber:iq:roster"
NS_MUC = "http://jabber.org/protocol/muc"
NS_PUBSUB = "http://jabber.org/protocol/pubsub"
NS_AVATAR = "urn:xmpp:avatar"
NS_VCARD = "vcard-temp"
BODY = f"{{{NS_CLIENT}}}body"
ERROR = f"{{{NS_CLIENT}}}error"


class Friend:
    """
    Somebody to talk to.

    Attributes:
        heard: Sender (bare JID) and text of every message that came.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self.heard: list[tuple[str, str]] = []
        self._stream = RawClient()
        self._count = 0

    @property
    def jid(self) -> str:
        """Bare JID."""
        return self.account.jid

    def state(self) -> str:
        """What came and nobody waited for."""
        return "\n".join(ET.tostring(stanza, "unicode") for stanza in self._stream.stanzas)

    async def sign_in(self, door: Door) -> None:
        """Be online."""
        self._stream = RawClient()
        self._stream.on_stanza = self._hear
        await self._stream.log_in(door.xmpp, self.account.username, self.account.password, resource="friend")
        await self._stream.ask("get", f"<query xmlns='{NS_ROSTER}'/>")  # who asks hears of subscriptions
        self._stream.send("<presence/>")

    def _hear(self, stanza: ET.Element) -> None:
        text = stanza.findtext(BODY)
        if text is not None and stanza.get("type") != "error":
            self.heard.append((bare(stanza.get("from", "")), text))

    async def sign_out(self) -> None:
        """Go offline in order."""
        self._stream.send("<presence type='unavailable'/>")
        self._stream.write("</stream:stream>")
        await self._stream.wait_end(ANSWER_TIMEOUT_S)
        await self._stream.close()

    async def close(self) -> None:
        """Be gone without a word."""
        await self._stream.close()

    async def befriend(self, jid: str) -> None:
        """Wait to be asked by somebody, agree, and ask in return."""
        await self._wait(f"{jid} asks", lambda stanza: is_presence(stanza, jid, "subscribe"))
        self._stream.send(f"<presence to={quoteattr(jid)} type='subscribed'/>")
        self._stream.send(f"<presence to={quoteattr(jid)} type='subscribe'/>")

    async def wait_friendship(self, jid: str) -> None:
        """Wait until somebody agreed and their presence is here."""
        await self._wait(f"{jid} agrees", lambda stanza: is_presence(stanza, jid, "subscribed"))
        await self._wait(f"presence of {jid}", lambda stanza: is_presence(stanza, jid, ""))

    async def say(self, jid: str, text: str) -> str:
        """Write a message and wait until the servers have it. Returns its id."""
        self._count += 1
        message_id = f"{self.account.username}-{self._count}"
        await self._stream.wait_acked(self._stream.send_chat(jid, text, message_id))
        return message_id

    async def wait_refusal(self, message_id: str) -> str:
        """Wait until a message comes back as an error. Returns the condition."""
        refused = await self._wait(
            f"{message_id} back", lambda stanza: stanza.get("id") == message_id and stanza.get("type") == "error"
        )
        error = refused.find(ERROR)
        assert error is not None, ET.tostring(refused, "unicode")
        return condition_of(error, NS_STANZA_ERROR)

    async def wait_message(self, jid: str, text: str) -> str:
        """Wait for a message of somebody. Returns the full JID it came from."""
        message = await self._wait(
            f"{text!r} of {jid}",
            lambda stanza: stanza.findtext(BODY) == text and bare(stanza.get("from", "")) == jid,
        )
        return message.get("from", "")

    async def wait_link(self, jid: str) -> str:
        """Wait for a message of somebody that is a link. Returns the link."""
        message = await self._wait(
            f"a link of {jid}",
            lambda stanza: (stanza.findtext(BODY) or "").startswith("https://") and bare(stanza.get("from", "")) == jid,
        )
        return message.findtext(BODY) or ""

    async def open_room(self, room: str, nick: str) -> None:
        """Make a room and let others in (XEP-0045 section 10.1.2)."""
        self._stream.send(f"<presence to={quoteattr(f'{room}/{nick}')}><x xmlns='{NS_MUC}'/></presence>")
        await self._wait(f"{nick} in {room}", lambda stanza: is_presence(stanza, room, ""))
        form = f"<query xmlns='{NS_MUC}#owner'><x xmlns='jabber:x:data' type='submit'/></query>"
        answer = await self._stream.ask("set", form, to=room)
        assert answer.get("type") == "result", ET.tostring(answer, "unicode")

    async def say_in_room(self, room: str, text: str) -> None:
        """Write a message to a room."""
        self._stream.send(f"<message to={quoteattr(room)} type='groupchat'><body>{escape(text)}</body></message>")
        await self.wait_message(room, text)

    async def publish_name(self, name: str) -> None:
        """Put a full name on the account's card."""
        answer = await self._stream.ask("set", f"<vCard xmlns='{NS_VCARD}'><FN>{escape(name)}</FN></vCard>")
        assert answer.get("type") == "result", ET.tostring(answer, "unicode")

    async def publish_avatar(self, picture: bytes) -> None:
        """Publish a picture (PNG), its data and what it is (XEP-0084)."""
        digest = hashlib.sha1(picture).hexdigest()
        data = f"<data xmlns='{NS_AVATAR}:data'>{base64.b64encode(picture).decode()}</data>"
        info = f"<info id='{digest}' bytes='{len(picture)}' type='image/png'/>"
        for node, payload in (
            ("data", data),
            ("metadata", f"<metadata xmlns='{NS_AVATAR}:metadata'>{info}</metadata>"),
        ):
            item = f"<publish node='{NS_AVATAR}:{node}'><item id='{digest}'>{payload}</item></publish>"
            answer = await self._stream.ask("set", f"<pubsub xmlns='{NS_PUBSUB}'>{item}</pubsub>")
            assert answer.get("type") == "result", ET.tostring(answer, "unicode")

    async def photo_of(self, jid: str) -> bytes:
        """Read the photo on somebody's card; empty if there is none."""
        answer = await self._stream.ask("get", f"<vCard xmlns='{NS_VCARD}'/>", to=jid)
        place = f"{{{NS_VCARD}}}vCard/{{{NS_VCARD}}}PHOTO/{{{NS_VCARD}}}BINVAL"
        return base64.b64decode(answer.findtext(place) or "")

    async def name_of(self, jid: str) -> str:
        """Read the full name on somebody's card; empty if there is none."""
        answer = await self._stream.ask("get", f"<vCard xmlns='{NS_VCARD}'/>", to=jid)
        return answer.findtext(f"{{{NS_VCARD}}}vCard/{{{NS_VCARD}}}FN") or ""

    async def _wait(self, what: str, accept: Callable[[ET.Element], bool]) -> ET.Element:
        try:
            return await self._stream.wait_stanza(accept, SHOW_TIMEOUT_S)
        except TimeoutError as error:
            raise AssertionError(f"not within {SHOW_TIMEOUT_S:g} s: {what}; came instead:\n{self.state()}") from error


def bare(jid: str) -> str:
    """A JID without its resource."""
    return jid.partition("/")[0]


def is_presence(stanza: ET.Element, jid: str, kind: str) -> bool:
    """Whether a stanza is presence of that type from somebody; empty means available."""
    return (
        stanza.tag == f"{{{NS_CLIENT}}}presence"
        and bare(stanza.get("from", "")) == jid
        and stanza.get("type", "") == kind
    )
