"""What the messenger reads of businesses and writes to them, each part alone in Chromium (docs/business.md)."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

from browser.modules import page
from browser.test_messenger_parts import call

__all__ = ["page"]

PROMPT = "messenger/business/prompt"
BADGE = "messenger/business/badge"
READ = "return m.readPrompt(xml(a), 'the body')"

BUTTONS = """<message xmlns='jabber:client'><body>the body</body>
  <interactive xmlns='urn:raftline:business:0' type='button'>
    <header>Your order</header><body>Which size?</body><footer>with tax</footer>
    <button id='s' title='Small'/><button id='l' title='Large'/></interactive>
  <response xmlns='urn:xmpp:tmp:quick-response' value='s' label='Small'/>
  <x xmlns='jabber:x:data' type='form'><field var='choice' type='list-single'/></x></message>"""
EMPTY = {"header": "", "picture": "", "footer": "", "button": "", "options": [], "links": []}


def option(name: str, title: str, description: str = "", section: str = "") -> dict[str, str]:
    """An option as it is read."""
    return {"id": name, "title": title, "description": description, "section": section}


class TestQuestions:
    """What a message asks."""

    async def test_buttons(self, page: Page) -> None:
        """Our own element says all of it, whatever else stands beside it."""
        read = await call(page, PROMPT, READ, BUTTONS)
        assert read == {
            **EMPTY,
            "type": "button",
            "header": "Your order",
            "text": "Which size?",
            "footer": "with tax",
            "options": [option("s", "Small"), option("l", "Large")],
        }

    async def test_a_list(self, page: Page) -> None:
        """Rows have sections and descriptions; of one id there is one row, and of all of them ten."""
        rows = "".join(f"<row id='{number}' title='Row {number}'/>" for number in range(2, 14))
        stanza = f"""<message xmlns='jabber:client'>
          <interactive xmlns='urn:raftline:business:0' type='list'><body>What?</body>
            <section title='A'><row id='1' title='One' description='the first'/><row title='none'/></section>
            <section title='B'><row id='1' title='One' description='the first'/>{rows}</section>
            <button>Menu</button></interactive></message>"""
        read = await call(page, PROMPT, READ, stanza)
        assert (read["type"], read["button"], read["text"]) == ("list", "Menu", "What?")
        assert read["options"][0] == option("1", "One", "the first", "B")
        assert [row["id"] for row in read["options"]] == [str(number) for number in range(1, 11)]

    @pytest.mark.parametrize(
        ("url", "kept"),
        [
            ("https://shop.example/a?b", ["https://shop.example/a?b"]),
            ("http://shop.example/", ["http://shop.example/"]),
            ("javascript:alert(1)", []),
            ("data:text/html,x", []),
            ("not an address", []),
        ],
    )
    async def test_links_lead_to_web_pages_alone(self, page: Page, url: str, kept: list[str]) -> None:
        """A link, or a picture, is an address of the web or nothing."""
        stanza = f"""<message xmlns='jabber:client'><interactive xmlns='urn:raftline:business:0' type='cta_url'>
          <header>{url}</header><url title='Order' href='{url}'/></interactive>
          <file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'>
          <media-type>image/png</media-type></file><sources>
          <url-data xmlns='http://jabber.org/protocol/url-data' target='{url}'/></sources></file-sharing></message>"""
        read = await call(page, PROMPT, READ, stanza)
        assert [link["url"] for link in read["links"]] == kept
        assert read["picture"] == "".join(kept)
        assert read["text"] == "the body", "what the element does not say, the body does"

    async def test_a_number_to_call(self, page: Page) -> None:
        """A button of a template may lead to a number; a picture cannot."""
        stanza = """<message xmlns='jabber:client'><interactive xmlns='urn:raftline:business:0' type='template'>
          <header>tel:+15550001111</header><url title='Call us' href='tel:+15550001111'/></interactive></message>"""
        read = await call(page, PROMPT, READ, stanza)
        assert read["links"] == [{"title": "Call us", "url": "tel:+15550001111"}]
        assert read["picture"] == ""

    async def test_a_document_in_the_header(self, page: Page) -> None:
        """A file that is no picture is a link; its address is not shown as a header beside that."""
        stanza = """<message xmlns='jabber:client'><interactive xmlns='urn:raftline:business:0' type='cta_url'>
          <header>https://shop.example/bill.pdf</header></interactive><file-sharing xmlns='urn:xmpp:sfs:0'>
          <file xmlns='urn:xmpp:file:metadata:0'><media-type>application/pdf</media-type><name>bill.pdf</name></file>
          <sources><url-data xmlns='http://jabber.org/protocol/url-data' target='https://shop.example/bill.pdf'/>
          </sources></file-sharing></message>"""
        read = await call(page, PROMPT, READ, stanza)
        assert (read["header"], read["picture"]) == ("", "")
        assert read["links"] == [{"title": "bill.pdf", "url": "https://shop.example/bill.pdf"}]

    async def test_other_bots(self, page: Page) -> None:
        """Quick responses alone (XEP-0439) are buttons, named by their values where they have no label."""
        stanza = """<message xmlns='jabber:client'>
          <response xmlns='urn:xmpp:tmp:quick-response' value='yes' label='Yes!'/>
          <response xmlns='urn:xmpp:tmp:quick-response' value='no'/></message>"""
        read = await call(page, PROMPT, READ, stanza)
        options = [option("yes", "Yes!"), option("no", "no")]
        assert read == {**EMPTY, "type": "quick-response", "text": "the body", "options": options}

    async def test_all_other_messages_ask_nothing(self, page: Page) -> None:
        """Neither text nor the element of somebody else's that is quoted deeper inside."""
        forwarded = (
            f"<message xmlns='jabber:client'><forwarded xmlns='urn:xmpp:forward:0'>{BUTTONS}</forwarded></message>"
        )
        plain = "<message xmlns='jabber:client'><body>Hi</body></message>"
        for stanza in (plain, forwarded):
            assert await call(page, PROMPT, READ, stanza) is None


class TestAnswers:
    """What an answer carries, and reading it again."""

    async def answer(self, page: Page, kind: str, chosen: str) -> tuple[Any, list[str]]:
        """Write an answer; returns what is read of it, and the names of its elements."""
        script = (
            "const e = xml('<message xmlns=\"jabber:client\"/>');"
            "for (const part of m.writeAnswer({question: 'q', option: a[1]}, 'n@d', {type: a[0]}))"
            "  e.append(e.ownerDocument.importNode(part, true));"
            "return [m.readAnswer(e), [...e.children].map((one) => one.localName)]"
        )
        read, names = await call(page, PROMPT, script, [kind, chosen])
        return read, names

    async def test_each_kind(self, page: Page) -> None:
        """A tap on a button names its option, a row fills in the form too, a place is a reply alone."""
        assert await self.answer(page, "button", "l") == ({"question": "q", "option": "l"}, ["reply", "choice"])
        assert await self.answer(page, "list", "l") == ({"question": "q", "option": "l"}, ["reply", "choice", "x"])
        assert await self.answer(page, "location_request_message", "") == (None, ["reply"])
        assert await self.answer(page, "quick-response", "yes") == (None, ["reply"])

    async def test_a_place(self, page: Page) -> None:
        """A place that is a reply answers the wish for one, and no other question."""
        stanza = """<message xmlns='jabber:client'><reply xmlns='urn:xmpp:reply:0' id='q'/>
          <geoloc xmlns='http://jabber.org/protocol/geoloc'><lat>52</lat><lon>13</lon></geoloc></message>"""
        assert await call(page, PROMPT, "return m.readAnswer(xml(a))", stanza) == {"question": "q", "option": ""}
        script = "return a.map((type) => m.isAnswered({ type, options: [{ id: 'l' }] }, { option: '' }))"
        assert await call(page, PROMPT, script, ["location_request_message", "button"]) == [True, False]

    async def test_a_card(self, page: Page) -> None:
        """A card that is a reply answers the wish for one."""
        script = (
            'const e = xml(\'<message xmlns="jabber:client"><reply xmlns="urn:xmpp:reply:0" id="q"/></message>\');'
            "e.append(e.ownerDocument.importNode(m.writeCard('Ann', 'ann@chat.example'), true));"
            "const answer = m.readAnswer(e);"
            "return [answer, m.isAnswered({ type: 'request_contact_info', options: [] }, answer), e.textContent]"
        )
        read = await call(page, PROMPT, script)
        assert read == [{"question": "q", "option": ""}, True, "Annann@chat.example"]

    async def test_a_choice_that_there_is_not(self, page: Page) -> None:
        """An answer spends a question that has its option."""
        script = "return a.map((option) => m.isAnswered({ type: 'button', options: [{ id: 'l' }] }, { option }))"
        assert await call(page, PROMPT, script, ["l", "x"]) == [True, False]

    async def test_a_form_of_another_client(self, page: Page) -> None:
        """A submitted form that is a reply is an answer as well; one to be filled in is not."""
        stanza = """<message xmlns='jabber:client'><reply xmlns='urn:xmpp:reply:0' id='q'/>
          <x xmlns='jabber:x:data' type='{}'><field var='choice'><value>l</value></field></x></message>"""
        read = "return m.readAnswer(xml(a))"
        assert await call(page, PROMPT, read, stanza.format("submit")) == {"question": "q", "option": "l"}
        assert await call(page, PROMPT, read, stanza.format("form")) is None


class TestVerifiedNames:
    """Who is a business."""

    @pytest.mark.parametrize(
        ("form_type", "name"),
        [("urn:raftline:business:0", "Lucky Shrub"), ("http://jabber.org/network/serverinfo", "")],
    )
    async def test_the_form_of_service_discovery(self, page: Page, form_type: str, name: str) -> None:
        """The name is taken from our own form and from no other."""
        reply = f"""<iq xmlns='jabber:client'><query xmlns='http://jabber.org/protocol/disco#info'>
          <x xmlns='jabber:x:data' type='result'>
            <field var='FORM_TYPE' type='hidden'><value>{form_type}</value></field>
            <field var='verified_name'><value>Lucky Shrub</value></field></x></query></iq>"""
        assert await call(page, BADGE, "return m.readVerifiedName(xml(a))", reply) == name
