"""What the messenger reads and writes, each part alone in Chromium: places, voice notes, polls, timers, words."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

from browser.modules import page

__all__ = ["page"]

NOTE = """<message xmlns='jabber:client'><file-sharing xmlns='urn:xmpp:sfs:0' disposition='inline'>
  <file xmlns='urn:xmpp:file:metadata:0'><media-type>{kind}</media-type><name>v.m4a</name><length>2500</length>
    <waveform xmlns='urn:raftline:voice:0'>{waveform}</waveform></file>
  <sources><url-data xmlns='http://jabber.org/protocol/url-data' target='{target}'/></sources>
</file-sharing></message>"""


async def call(page: Page, module: str, script: str, argument: object = None) -> Any:
    """Run a script with the module as `m`, the argument as `a`, and a reader of XML."""
    return await page.evaluate(
        """async ([module, script, a]) => {
            const m = await import(`/modules/${module}.js`);
            const xml = (text) => new DOMParser().parseFromString(text, "text/xml").documentElement;
            return new Function("m", "a", "xml", script)(m, a, xml);
        }""",
        [module, script, argument],
    )


class TestPlaces:
    """RFC 5870, XEP-0080."""

    async def test_reading(self, page: Page) -> None:
        """An address and nothing else is a place, if it lies on Earth."""
        places: dict[str, dict[str, float] | None] = {
            "geo:52.52,13.405": {"latitude": 52.52, "longitude": 13.405},
            " GEO:-33.8,151.2,12;crs=wgs84;u=20 ": {"latitude": -33.8, "longitude": 151.2, "accuracy": 20},
            "geo:90,180": {"latitude": 90, "longitude": 180},
            "geo:90.1,0": None,
            "geo:0,180.5": None,
            "geo:52.52": None,
            "geo:52.52,13.4 is where I am": None,
            "I am at geo:52.52,13.4": None,
        }
        read = await call(page, "messenger/location", "return a.map(m.readGeo)", list(places))
        assert dict(zip(places, read, strict=True)) == places

    async def test_writing(self, page: Page) -> None:
        """What is written is read again."""
        place = {"latitude": -33.865143, "longitude": 151.2099, "accuracy": 12}
        text = await call(page, "messenger/location", "return m.writeGeo(a)", place)
        assert text == "geo:-33.865143,151.209900;u=12"
        assert await call(page, "messenger/location", "return m.readGeo(a)", text) == place


class TestVoiceNotes:
    """XEP-0447, XEP-0446, docs/voice-notes.md."""

    async def test_a_note_is_described_and_read(self, page: Page) -> None:
        """All that is known of it comes back, but the hash, which nobody here asks for."""
        note = {
            "url": "https://chat.example/upload/1/voice-note-2026.m4a",
            "name": "voice-note-2026.m4a",
            "type": "audio/mp4",
            "size": 900,
            "seconds": 2.5,
            "peaks": [0, 50, 100],
            "hash": "aGFzaA==",
        }
        script = (
            "const e = xml('<message xmlns=\"jabber:client\"/>');"
            "e.append(e.ownerDocument.importNode(m.describe(a), true));"
            "return [m.readDescription(e), new XMLSerializer().serializeToString(e)]"
        )
        read, written = await call(page, "messenger/voice/note", script, note)
        assert read == {key: note[key] for key in ("url", "name", "type", "seconds", "peaks")}
        assert "<size>900</size>" in written.replace(' xmlns="urn:xmpp:file:metadata:0"', "")
        assert "aGFzaA==" in written

    async def test_what_is_none(self, page: Page) -> None:
        """Not sound, no outline, or nothing that may be fetched: the message is shown as any other."""
        web = "https://chat.example/v.m4a"
        none = [
            ("image/png", "AAAA", web),
            ("audio/mp4", "", web),
            ("audio/mp4", "?", web),
            ("audio/mp4", "AAAA" * 300, web),
            ("audio/mp4", "AAAA", "javascript:alert(1)"),
            ("audio/mp4", "AAAA", "https://"),
        ]
        texts = [NOTE.format(kind=kind, waveform=waveform, target=target) for kind, waveform, target in none]
        script = "return a.map((text) => m.readDescription(xml(text)))"
        assert await call(page, "messenger/voice/note", script, texts) == [None] * len(none)

    async def test_an_address_alone(self, page: Page) -> None:
        """In encrypted chats the name of the file says what it is; another file or more text is no note."""
        sealed = "aesgcm://chat.example/upload/1/voice-note-2026-11-28.ogg#00ff"
        script = "return a.map((text) => m.readAddress(text)?.name ?? null)"
        texts = [sealed, f"listen: {sealed}", "https://chat.example/song.ogg"]
        assert await call(page, "messenger/voice/note", script, texts) == ["voice-note-2026-11-28.ogg", None, None]

    async def test_the_outline(self, page: Page) -> None:
        """The loudest of each part, against the loudest of all; silence is flat."""
        script = "return [m.outlineOf(Float32Array.from(a), 2), m.outlineOf(new Float32Array(8), 2)]"
        assert await call(page, "messenger/voice/waveform", script, [0, 0.25, -0.5, 0.1]) == [[50, 100], [0, 0]]


LUNCH = {"question": "Where to?", "options": ["Pizza", "Sushi & soup"], "choiceCountMax": 1, "isAnonymous": False}
TALLY = """<tally xmlns='urn:raftline:polls:0' poll='1-47' message='m1' state='open' voters='2' max-choices='1'>
  <question>Where to?</question><option number='1' votes='0'>Pizza</option>
  <option number='2' votes='2' chosen='true'>Sushi</option>{voter}</tally>"""
VOTER = "<voter jid='bob@example.org' occupant-id='o1' at='2030-05-01T12:00:00.000Z'><choice option='2'/></voter>"


class TestPolls:
    """docs/polls.md."""

    @pytest.mark.parametrize(
        "more", [{}, {"choiceCountMax": 2, "isAnonymous": True}, {"closes": "2030-05-01T18:00:00.000Z"}]
    )
    async def test_what_is_asked_is_read(self, page: Page, more: dict[str, object]) -> None:
        """All that is written comes back; the attributes are those that the server reads."""
        script = (
            "const e = xml('<message xmlns=\"jabber:client\"/>');"
            "e.append(e.ownerDocument.importNode(m.writePoll(a), true));"
            "return [m.readPoll(e), new XMLSerializer().serializeToString(e)]"
        )
        read, written = await call(page, "messenger/polls/poll", script, LUNCH | more)
        assert read == LUNCH | more
        assert ('max-choices="2"' in written) == ('anonymous="true"' in written) == ("isAnonymous" in more)
        assert 'xmlns="urn:raftline:polls:0"' in written

    async def test_left_out(self, page: Page) -> None:
        """A question and two options are enough: then one may be chosen, and everyone is told who chose what."""
        inner = "<question>q</question><option>a</option><option>b</option>"
        text = f"<m><poll xmlns='urn:raftline:polls:0'>{inner}</poll></m>"
        read = await call(page, "messenger/polls/poll", "return m.readPoll(xml(a))", text)
        assert read == {"question": "q", "options": ["a", "b"], "choiceCountMax": 1, "isAnonymous": False}

    async def test_what_is_none(self, page: Page) -> None:
        """What the servers would not count is shown as the text that it came with."""
        option, question = "<option>a</option>", "<question>q</question>"
        none = [
            ("urn:raftline:polls:0", "", question + option),
            ("urn:raftline:polls:0", "", option * 2),
            ("urn:raftline:polls:0", "", question + option * 13),
            ("urn:raftline:polls:0", "max-choices='0'", question + option * 2),
            ("urn:raftline:polls:0", "max-choices='3'", question + option * 2),
            ("urn:raftline:polls:0", "max-choices='many'", question + option * 2),
            ("urn:other", "", question + option * 2),
        ]
        texts = [f"<m><poll xmlns='{namespace}' {said}>{inner}</poll></m>" for namespace, said, inner in none]
        script = "return a.map((text) => m.readPoll(xml(text)))"
        assert await call(page, "messenger/polls/poll", script, texts) == [None] * len(none)

    async def test_as_text(self, page: Page) -> None:
        """Clients that know nothing of polls show what the server would write."""
        text = await call(page, "messenger/polls/poll", "return m.textOfPoll(a)", LUNCH)
        assert text == "Poll: Where to?\n1. Pizza\n2. Sushi & soup"

    async def test_how_it_stands(self, page: Page) -> None:
        """Counts, the user's own choice, who voted for what; nothing where a number is none."""
        script = "const e = xml(a); return [m.readTally(e), m.readVoters(e)]"
        read, voters = await call(page, "messenger/polls/poll", script, TALLY.format(voter=VOTER))
        assert read == {
            "id": "1-47",
            "messageId": "m1",
            "isOpen": True,
            "voterCount": 2,
            "counts": [0, 2],
            "chosen": [2],
        }
        assert voters == [{"jid": "bob@example.org", "occupantId": "o1", "options": [2]}]
        broken = TALLY.format(voter="")
        faults = [("'1-47'", "''"), ("'2' chosen", "'-2' chosen"), ("voters", "x")]
        texts = [broken.replace(good, bad) for good, bad in faults]
        script = "return a.map((text) => m.readTally(xml(text)))"
        assert await call(page, "messenger/polls/poll", script, texts) == [None] * len(texts)

    async def test_what_cannot_be_asked(self, page: Page) -> None:
        """The dialog knows the servers' limits, so that people are told before they send."""
        asked: list[tuple[dict[str, object], str]] = [
            ({}, ""),
            ({"question": ""}, "What do you want to ask?"),
            ({"options": ["a"]}, "Give two options at least."),
            ({"options": ["a", "a"]}, "Two options are the same."),
            ({"question": "é" * 512}, ""),
            ({"question": "é" * 513}, f"This is too long: {'é' * 40}…"),
            ({"options": ["a", "b" * 512]}, ""),
            ({"options": ["a", "b" * 513]}, f"This is too long: {'b' * 40}…"),
            ({"closes": "1970-01-01T00:00:01Z"}, "The end must lie ahead, and within two years."),
            ({"closes": "1970-01-01T00:00:02Z"}, ""),
            ({"closes": "1980-01-01T00:00:00Z"}, "The end must lie ahead, and within two years."),
        ]
        script = "return a.map((poll) => m.faultOf(poll, 1000))"
        said = await call(page, "messenger/polls/poll", script, [LUNCH | more for more, _ in asked])
        assert said == [fault for _, fault in asked]

    async def test_refusals(self, page: Page) -> None:
        """People are told why a vote does not count."""
        error = "<iq xmlns='jabber:client'><error><{0} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{1}</error></iq>"
        refused = {
            error.format("not-allowed", "<closed xmlns='urn:raftline:polls:0'/>"): "This poll is closed.",
            error.format("forbidden", "<text xmlns='urn:x'>Banned.</text>"): "The server refused (Banned.).",
            error.format("forbidden", ""): "The server refused (forbidden).",
        }
        script = "return [...a.map((text) => m.sayRefusal(xml(text))), m.sayRefusal(null)]"
        said = await call(page, "messenger/polls/poll", script, list(refused))
        assert said == [*refused.values(), "The server does not answer. Please try again."]


class TestDisappearing:
    """XEP-0466 sections 3.2 to 3.5."""

    async def test_reading(self, page: Page) -> None:
        """A timer, the end of timers, or nothing."""
        said = {
            "<ephemeral xmlns='urn:xmpp:ephemeral:0' timer='60'/>": 60,
            "<i-want-out xmlns='urn:xmpp:ephemeral:0'/>": 0,
            "<ephemeral xmlns='urn:xmpp:ephemeral:0' timer='0'/>": None,
            "<ephemeral xmlns='urn:xmpp:ephemeral:0' timer='soon'/>": None,
            "<ephemeral xmlns='urn:other' timer='60'/>": None,
            "": None,
        }
        texts = [f"<message xmlns='jabber:client'>{inside}</message>" for inside in said]
        script = "return a.map((text) => m.readTimer(xml(text)) ?? null)"
        assert await call(page, "messenger/ephemeral", script, texts) == list(said.values())


class TestWords:
    """English and Chinese."""

    async def test_the_first_language_that_there_is(self, page: Page) -> None:
        """The list of the browser decides; English is for all others."""
        lists = [["zh-TW", "en"], ["de-DE", "zh-CN"], ["de"], ["en-GB", "zh"], []]
        assert await call(page, "shared/language", "return a.map(m.pickLanguage)", lists) == [
            "zh",
            "zh",
            "en",
            "en",
            "en",
        ]

    async def test_lengths_of_time(self, page: Page) -> None:
        """In the largest unit that fits; a day is 24 hours."""
        script = "return a.map(m.sayDuration)"
        seconds = [1, 30, 60, 90, 3600, 86_400, 7 * 86_400]
        said = ["1 seconds", "30 seconds", "1 minute", "90 seconds", "1 hour", "24 hours", "7 days"]
        assert await call(page, "messenger/words", script, seconds) == said


async def test_the_name_of_an_element_is_written(page: Page) -> None:
    """Strophe.js writes attributes alone, so the namespace has to be one."""
    script = "return m.xml('urn:a', 'b', { c: '1' }, m.xml('urn:d', 'e', {}, 'f')).getAttribute('xmlns')"
    assert await call(page, "messenger/namespaces", script) == "urn:a"
