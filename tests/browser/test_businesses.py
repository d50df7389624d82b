"""A person and a business: what a program asks is answered by a tap in the messenger; what goes over the wire."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from playwright.async_api import Browser, Locator, expect
from pywa.types import Button, Section, SectionList, SectionRow, URLButton
from pywa_async import WhatsApp

from browser import person as browser_person
from browser.test_messenger import expect_accessible
from integration.business import create_business, http_url
from integration.cluster_process import Cluster
from integration.person import Person
from integration.webhook_receiver import VERIFY_TOKEN, WebhookReceiver
from integration.xmpp_raw import NS_CLIENT

pytestmark = pytest.mark.timeout(240)

NUMBER = "15550001111"
SHOP = f"{NUMBER}@localhost"
NAME = "Lucky Shrub"
BUSINESS = "urn:raftline:business:0"
FORMS = "jabber:x:data"
REPLY = "urn:xmpp:reply:0"
PICTURE = "/static/converse-14.0.0/images/logo/conversejs-filled-512.png"
SOUND = "/static/converse-14.0.0/sounds/msg_received.mp3"

NOTE = """<message to='anna@localhost' type='chat' id='note-1'><body>{url}</body>
  <file-sharing xmlns='urn:xmpp:sfs:0' disposition='inline'><file xmlns='urn:xmpp:file:metadata:0'>
    <media-type>audio/mpeg</media-type><name>note.mp3</name><length>1000</length>
    <waveform xmlns='urn:raftline:voice:0'>AAUwZGQyBQ==</waveform></file>
  <sources><url-data xmlns='http://jabber.org/protocol/url-data' target='{url}'/></sources></file-sharing>
  <markable xmlns='urn:xmpp:chat-markers:0'/></message>"""


class Shop:
    """
    The business: a program that asks, and a device that is signed in to its number and sees what comes.

    Attributes:
        wa: The program.
        device: The device.
    """

    def __init__(self, wa: WhatsApp) -> None:
        self.wa = wa
        self.device = Person(NUMBER, "password of the shop")

    @classmethod
    async def open(cls, cluster: Cluster) -> Shop:
        """Create the business, and sign in to its number."""
        await cluster.wait_version()
        made = await create_business(cluster, NAME, NUMBER)
        wa = WhatsApp(phone_id=made.phone_number_id, token=made.token)
        wa.api._session.base_url = f"{http_url(cluster, 2)}/v26.0"  # type: ignore[assignment]
        shop = cls(wa)
        words = ("user", "passwd", NUMBER, "--password-stdin", "--data", str(cluster.data))
        done = await cluster.command(*words, stdin=shop.device.password)
        assert done.returncode == 0, done.stderr
        await shop.device.log_in(cluster.node(2).xmpp)
        return shop


async def answer_of(shop: Shop, body: str) -> ET.Element:
    """Wait for a message with this text."""
    tag = f"{{{NS_CLIENT}}}message"
    return await shop.device.wait_seen(
        f"the answer {body!r}", lambda stanza: stanza.tag == tag and stanza.findtext(f"{{{NS_CLIENT}}}body") == body
    )


def replied_to(answer: ET.Element) -> str | None:
    """The id of the message that an answer names (XEP-0461)."""
    reply = answer.find(f"{{{REPLY}}}reply")
    return None if reply is None else reply.get("id")


async def question_id(card: Locator) -> str:
    """The id of the message that a question in a chat is."""
    return await card.evaluate("one => one.closest('.chat-msg').getAttribute('data-msgid')")


async def expect_badge(person: browser_person.Person) -> None:
    """Above the chat the business has its mark and its verified name, and in the list, where that is open, too."""
    places = [person.chat.locator("converse-chat-heading"), person.page.locator("converse-roster-contact")]
    for place in places[: 2 if person.username == "anna" else 1]:
        mark = place.get_by_role("img", name=f"Verified business: {NAME}")
        await expect(mark).to_be_attached()


def question(person: browser_person.Person, text: str) -> Locator:
    """A question in the open chat."""
    return person.chat.locator("raftline-prompt", has_text=text)


async def tap_a_button(anna: browser_person.Person, shop: Shop) -> None:
    """The button's title is what is said, and its id stands beside it; afterwards nothing can be tapped."""
    buttons = [Button("Small", callback_data="size-s"), Button("Large", callback_data="size-l")]
    text = "Which size shall it be?"
    await shop.wa.send_message("anna", text, header="Your order", footer="Prices include tax", buttons=buttons)
    card = question(anna, "Which size shall it be?")
    await expect(card.get_by_role("button")).to_have_count(2)
    await expect(card).not_to_contain_text("1. Small")
    await expect_accessible(anna)
    await anna.take_picture("business-buttons")
    await card.get_by_role("button", name="Large").click()
    answer = await answer_of(shop, "Large")
    assert replied_to(answer) == await question_id(card)
    choice = answer.find(f"{{{BUSINESS}}}choice")
    assert choice is not None
    assert choice.get("id") == "size-l"
    await expect(card).to_have_attribute("data-state", "spent")
    await expect(card.get_by_role("button", name="Large (your answer)")).to_be_disabled()
    await expect(card.get_by_role("button", name="Small")).to_be_disabled()


async def choose_a_row(anna: browser_person.Person, shop: Shop) -> None:
    """A list opens in a dialog; nothing is sent without a choice; the answer is a submitted form as well."""
    pizza = [
        SectionRow("Margherita", callback_data="p1", description="Tomato and mozzarella"),
        SectionRow("Funghi", callback_data="p2"),
    ]
    sections = [Section("Pizza", rows=pizza), Section("Drinks", rows=[SectionRow("Lemonade", callback_data="d1")])]
    await shop.wa.send_message("anna", "What would you like?", buttons=SectionList("See the menu", sections=sections))
    card = question(anna, "What would you like?")
    await card.get_by_role("button", name="See the menu").click()
    dialog = anna.page.locator(".raftline-dialog")
    await expect(dialog.locator("legend")).to_have_text(["Pizza", "Drinks"])
    await dialog.locator(".raftline-main").click()
    await expect(dialog.get_by_role("alert")).to_have_text("Choose one of them.")
    await expect_accessible(anna)
    await dialog.get_by_label("Margherita").check()
    await anna.take_picture("business-list")
    await dialog.locator(".raftline-main").click()
    answer = await answer_of(shop, "Margherita")
    assert replied_to(answer) == await question_id(card)
    form = answer.find(f"{{{FORMS}}}x")
    assert form is not None
    assert form.get("type") == "submit"
    assert form.findtext(f"{{{FORMS}}}field[@var='choice']/{{{FORMS}}}value") == "p1"
    await expect(card.get_by_role("button", name="Margherita")).to_be_disabled()


async def follow_and_share(anna: browser_person.Person, shop: Shop) -> None:
    """A link says where it leads; a place that is asked for is sent as the reply."""
    bill = URLButton(title="See the bill", url="https://shop.example/bills/7")
    await shop.wa.send_message("anna", "Your bill is ready.", buttons=bill)
    link = question(anna, "Your bill is ready.").get_by_role("link")
    await expect(link).to_have_attribute("href", "https://shop.example/bills/7")
    await expect(link).to_have_text("See the billshop.example")
    await shop.wa.request_location("anna", "Where shall we bring it?")
    card = question(anna, "Where shall we bring it?")
    await expect(anna.page.locator("converse-toast")).to_have_count(0)
    await anna.take_picture("business-chat")
    await card.get_by_role("button", name="Share my location").click()
    dialog = anna.page.locator(".raftline-dialog")
    await expect(dialog.locator("input").first).to_have_value("52.520008")
    await dialog.locator(".raftline-main").click()
    answer = await answer_of(shop, "geo:52.520008,13.404954;u=12")
    assert replied_to(answer) == await question_id(card)
    assert answer.find("{http://jabber.org/protocol/geoloc}geoloc") is not None
    await expect(card).to_have_attribute("data-state", "spent")


async def introduce(anna: browser_person.Person, shop: Shop) -> None:
    """A card that is asked for is sent as the reply."""
    await shop.wa.request_contact_info("anna", "Who are you?")
    card = question(anna, "Who are you?")
    await card.get_by_role("button", name="Share my contact").click()
    answer = await answer_of(shop, "anna@localhost")
    assert replied_to(answer) == await question_id(card)
    assert answer.findtext("{vcard-temp}vCard/{vcard-temp}JABBERID") == "anna@localhost"
    await expect(card).to_have_attribute("data-state", "spent")


async def play_a_note(anna: browser_person.Person, shop: Shop, url: str) -> None:
    """Whose voice note was played is told so, once."""
    shop.device.send_raw(NOTE.format(url=url))
    player = anna.chat.locator("raftline-voice").last
    for _ in range(2):
        await player.locator(".raftline-play").click()
        await expect(player.locator(".raftline-play")).to_have_attribute("aria-label", "Pause")
        await expect(player.locator(".raftline-play")).to_have_attribute("aria-label", "Play voice note")
    await shop.wa.send_message("anna", "Bye")
    await anna.expect_to_see("Bye")
    await anna.say("bye")
    await answer_of(shop, "bye")
    told = [stanza.find("{urn:raftline:played:0}played") for stanza in shop.device.seen]
    assert [played.get("id") for played in told if played is not None] == ["note-1"]


async def test_a_person_answers_a_business(cluster: Cluster, browser: Browser) -> None:
    """Buttons, list, link, place, voice note; another device of the person's shows what was answered."""
    anna = await browser_person.Person.sit_down(browser, "anna")
    await anna.enter(cluster.node(1).http, "#create-account")
    shop = await Shop.open(cluster)
    await anna.add_contact(SHOP)
    await anna.open_chat(SHOP)
    await expect_badge(anna)
    await tap_a_button(anna, shop)
    await choose_a_row(anna, shop)
    await follow_and_share(anna, shop)
    await introduce(anna, shop)
    await play_a_note(anna, shop, f"http://127.0.0.1:{cluster.node(2).http}{SOUND}")

    phone = await browser_person.Person.sit_down(browser, "anna", browser_person.PHONE)
    await phone.enter(cluster.node(3).http, "#sign-in")
    await phone.open_chat(SHOP)
    for text in ("Which size shall it be?", "What would you like?", "Where shall we bring it?"):
        await expect(question(phone, text)).to_have_attribute("data-state", "spent")
    await expect(question(phone, "Which size").get_by_role("button", name="Large (your answer)")).to_be_visible()
    await expect_accessible(phone)
    await phone.take_picture("business-chat-phone")
    await expect_badge(phone)
    await shop.device.log_out()
    await shop.wa.api._session.aclose()
    for person in (anna, phone):
        assert not person.foreign, person.foreign
        assert not person.complaints, person.complaints


async def expect_tick(anna: browser_person.Person, name: str) -> None:
    """How far the last message of anna's has come."""
    await expect(anna.chat.locator(".raftline-tick").last).to_have_attribute("data-tick", name)


async def test_a_person_writes_to_a_program(cluster: Cluster, browser: Browser) -> None:
    """One tick while the program is down, two when it has the message, blue when it says so; its picture is seen."""
    await cluster.wait_version()
    anna = await browser_person.Person.sit_down(browser, "anna")
    await anna.enter(cluster.node(1).http, "#create-account")
    async with WebhookReceiver() as program:
        made = await create_business(cluster, NAME, NUMBER, callback_url=program.url, verify_token=VERIFY_TOKEN)
        wa = WhatsApp(phone_id=made.phone_number_id, token=made.token)
        wa.api._session.base_url = f"{http_url(cluster, 2)}/v26.0"  # type: ignore[assignment]
        program.secret, program.refused = made.app_secret, True
        await anna.add_contact(SHOP)
        await anna.open_chat(SHOP)
        await anna.say("Have you got roses?")
        await expect_tick(anna, "safe")
        program.refused = False
        await expect_tick(anna, "delivered")
        (told,) = program.values("messages")
        await wa.mark_message_as_read(told["id"])
        await expect_tick(anna, "read")
        # The page may load pictures from nodes alone, so this one is seen because a node has fetched it.
        await wa.send_image("anna", f"http://127.0.0.1:{cluster.node(3).http}{PICTURE}", caption="These here")
        await anna.expect_to_see("These here")
        shown = anna.chat.locator("img[src*='/upload/']")
        await expect(shown).to_have_js_property("naturalWidth", 512)
        assert await anna.messages() == ["Have you got roses?", "These here"]
        await anna.take_picture("business-picture")
        await wa.api._session.aclose()
    assert not anna.foreign, anna.foreign
    assert not anna.complaints, anna.complaints
