"""A person and a business: what it asks is answered by a tap in the messenger, and what goes over the wire then."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from playwright.async_api import Browser, Locator, expect

from browser import person as browser_person
from browser.test_messenger import expect_accessible
from integration.cluster_process import Cluster
from integration.person import Person
from integration.xmpp_raw import NS_CLIENT

pytestmark = pytest.mark.timeout(240)

NUMBER = "15550001111"
SHOP = f"{NUMBER}@localhost"
BUSINESS = "urn:raftline:business:0"
FORMS = "jabber:x:data"
REPLY = "urn:xmpp:reply:0"
SOUND = "/static/converse-14.0.0/sounds/msg_received.mp3"

SIZES = """<interactive xmlns='urn:raftline:business:0' type='button'>
  <header>Your order</header><body>Which size shall it be?</body><footer>Prices include tax</footer>
  <button id='size-s' title='Small'/><button id='size-l' title='Large'/></interactive>"""
MENU = """<interactive xmlns='urn:raftline:business:0' type='list'><body>What would you like?</body>
  <section title='Pizza'><row id='p1' title='Margherita' description='Tomato and mozzarella'/>
  <row id='p2' title='Funghi'/></section><section title='Drinks'><row id='d1' title='Lemonade'/></section>
  <button>See the menu</button></interactive>"""
LINK = """<interactive xmlns='urn:raftline:business:0' type='cta_url'><body>Your bill is ready.</body>
  <url title='See the bill' href='https://shop.example/bills/7'/></interactive>"""
WHERE = """<interactive xmlns='urn:raftline:business:0' type='location_request_message'>
  <body>Where shall we bring it?</body></interactive>"""
NOTE = """<file-sharing xmlns='urn:xmpp:sfs:0' disposition='inline'><file xmlns='urn:xmpp:file:metadata:0'>
    <media-type>audio/mpeg</media-type><name>note.mp3</name><length>1000</length>
    <waveform xmlns='urn:raftline:voice:0'>AAUwZGQyBQ==</waveform></file>
  <sources><url-data xmlns='http://jabber.org/protocol/url-data' target='{url}'/></sources></file-sharing>
  <markable xmlns='urn:xmpp:chat-markers:0'/>"""


def ask(shop: Person, person: str, message_id: str, body: str, payload: str) -> None:
    """Send a message of the business."""
    shop.send_raw(
        f"<message to='{person}@localhost' type='chat' id='{message_id}'><body>{body}</body>{payload}"
        f"<fallback xmlns='urn:xmpp:fallback:0' for='{BUSINESS}'><body/></fallback></message>"
    )


async def answer_of(shop: Person, body: str) -> ET.Element:
    """Wait for a message with this text."""
    tag = f"{{{NS_CLIENT}}}message"
    return await shop.wait_seen(
        f"the answer {body!r}", lambda stanza: stanza.tag == tag and stanza.findtext(f"{{{NS_CLIENT}}}body") == body
    )


def replied_to(answer: ET.Element) -> str | None:
    """The id of the message that an answer names (XEP-0461)."""
    reply = answer.find(f"{{{REPLY}}}reply")
    return None if reply is None else reply.get("id")


def question(person: browser_person.Person, text: str) -> Locator:
    """A question in the open chat."""
    return person.chat.locator("raftline-prompt", has_text=text)


async def tap_a_button(anna: browser_person.Person, shop: Person) -> None:
    """The button's title is what is said, and its id stands beside it; afterwards nothing can be tapped."""
    ask(shop, "anna", "q-size", "Which size shall it be?\n\n1. Small\n2. Large", SIZES)
    card = question(anna, "Which size shall it be?")
    await expect(card.get_by_role("button")).to_have_count(2)
    await expect(card).not_to_contain_text("1. Small")
    await expect_accessible(anna)
    await anna.take_picture("business-buttons")
    await card.get_by_role("button", name="Large").click()
    answer = await answer_of(shop, "Large")
    assert replied_to(answer) == "q-size"
    choice = answer.find(f"{{{BUSINESS}}}choice")
    assert choice is not None
    assert choice.get("id") == "size-l"
    await expect(card).to_have_attribute("data-state", "spent")
    await expect(card.get_by_role("button", name="Large (your answer)")).to_be_disabled()
    await expect(card.get_by_role("button", name="Small")).to_be_disabled()


async def choose_a_row(anna: browser_person.Person, shop: Person) -> None:
    """A list opens in a dialog; nothing is sent without a choice; the answer is a submitted form as well."""
    ask(shop, "anna", "q-menu", "What would you like?\n\n1. Margherita\n2. Funghi\n3. Lemonade", MENU)
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
    assert replied_to(answer) == "q-menu"
    form = answer.find(f"{{{FORMS}}}x")
    assert form is not None
    assert form.get("type") == "submit"
    assert form.findtext(f"{{{FORMS}}}field[@var='choice']/{{{FORMS}}}value") == "p1"
    await expect(card.get_by_role("button", name="Margherita")).to_be_disabled()


async def follow_and_share(anna: browser_person.Person, shop: Person) -> None:
    """A link says where it leads; a place that is asked for is sent as the reply."""
    ask(shop, "anna", "q-bill", "Your bill is ready. https://shop.example/bills/7", LINK)
    link = question(anna, "Your bill is ready.").get_by_role("link")
    await expect(link).to_have_attribute("href", "https://shop.example/bills/7")
    await expect(link).to_have_text("See the billshop.example")
    ask(shop, "anna", "q-where", "Where shall we bring it?", WHERE)
    card = question(anna, "Where shall we bring it?")
    await card.get_by_role("button", name="Share my location").click()
    dialog = anna.page.locator(".raftline-dialog")
    await expect(dialog.locator("input").first).to_have_value("52.520008")
    await dialog.locator(".raftline-main").click()
    answer = await answer_of(shop, "geo:52.520008,13.404954;u=12")
    assert replied_to(answer) == "q-where"
    assert answer.find("{http://jabber.org/protocol/geoloc}geoloc") is not None
    await expect(card).to_have_attribute("data-state", "spent")


async def play_a_note(anna: browser_person.Person, shop: Person, url: str) -> None:
    """Whose voice note was played is told so, once."""
    ask(shop, "anna", "note-1", url, NOTE.format(url=url))
    player = anna.chat.locator("raftline-voice").last
    for _ in range(2):
        await player.locator(".raftline-play").click()
        await expect(player.locator(".raftline-play")).to_have_attribute("aria-label", "Pause")
        await expect(player.locator(".raftline-play")).to_have_attribute("aria-label", "Play voice note")
    ask(shop, "anna", "bye", "Bye", "")
    await anna.expect_to_see("Bye")
    await anna.say("bye")
    await answer_of(shop, "bye")
    told = [stanza.find("{urn:raftline:played:0}played") for stanza in shop.seen]
    assert [played.get("id") for played in told if played is not None] == ["note-1"]


async def test_a_person_answers_a_business(cluster: Cluster, browser: Browser) -> None:
    """Buttons, list, link, place, voice note; another device of the person's shows what was answered."""
    anna = await browser_person.Person.sit_down(browser, "anna")
    await anna.enter(cluster.node(1).http, "#create-account")
    shop = Person(NUMBER, "password of the shop")
    await shop.register_account(cluster.node(2).xmpp)
    await anna.add_contact(SHOP)
    await anna.open_chat(SHOP)
    await tap_a_button(anna, shop)
    await choose_a_row(anna, shop)
    await follow_and_share(anna, shop)
    await anna.take_picture("business-chat")
    await play_a_note(anna, shop, f"http://127.0.0.1:{cluster.node(2).http}{SOUND}")

    phone = await browser_person.Person.sit_down(browser, "anna", browser_person.PHONE)
    await phone.enter(cluster.node(3).http, "#sign-in")
    await phone.open_chat(SHOP)
    for text in ("Which size shall it be?", "What would you like?", "Where shall we bring it?"):
        await expect(question(phone, text)).to_have_attribute("data-state", "spent")
    await expect(question(phone, "Which size").get_by_role("button", name="Large (your answer)")).to_be_visible()
    await expect_accessible(phone)
    await phone.take_picture("business-chat-phone")
    await shop.log_out()
    for person in (anna, phone):
        assert not person.foreign, person.foreign
        assert not person.complaints, person.complaints
