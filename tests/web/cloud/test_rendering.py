"""Events as webhooks: contract 5.5 and its traps, by our eyes and by pywa's."""

from __future__ import annotations

from typing import Any

import pytest
from pywa import WhatsApp

from raftline.base.ids import Epochs, Position
from raftline.machine.business.ids import group_id, wamid
from raftline.machine.business.tables import MessageStatus, PromptKind
from raftline.machine.business.values import EventView, Option
from raftline.web.cloud.webhooks.rendering import render
from raftline.web.cloud.webhooks.signature import sign
from web.cloud.webhook_samples import (
    NUMBER,
    SERVICE,
    TIME_MS,
    TOKEN,
    UPLOAD,
    URL,
    answered,
    event_of,
    said,
    stanza,
    status,
    value_of,
)

UPLOADS = {TOKEN: UPLOAD}
OOB = f"<x xmlns='jabber:x:oob'><url>{URL}</url></x>"
SHARING = (
    "<file-sharing xmlns='urn:xmpp:sfs:0' disposition='inline'><file xmlns='urn:xmpp:file:metadata:0'>{about}</file>"
    f"<sources><url-data xmlns='http://jabber.org/protocol/url-data' target='{URL}'/></sources></file-sharing>"
)
USER_ID = "US.10000000000000042"


def message(content: str, **fields: Any) -> dict[str, Any]:
    """Return the one message of the webhook for a stanza."""
    (found,) = said(content, **fields)["messages"]
    assert found["id"] == wamid(Epochs(1), Position(1_000))
    assert found["timestamp"] == str(TIME_MS // 1000)
    result: dict[str, Any] = found
    return result


def upload_of(media_type: str, name: str = "file") -> dict[bytes, Any]:
    """Return an upload of a type."""
    return {TOKEN: UPLOAD._replace(content_type=media_type, name=name)}


class TestEnvelope:
    """What is around each event."""

    def test_who_wrote(self) -> None:
        """Traps 1, 2 and 9: number and BSUID stand beside the name, as an answer to a send has them."""
        value = said("<body>Hi</body>")
        assert value["contacts"] == [{"profile": {"name": "Ann"}, "wa_id": "15551234567", "user_id": USER_ID}]
        assert value["messages"][0]["from"] == "15551234567"
        assert value["messages"][0]["text"] == {"body": "Hi"}

    def test_who_has_no_number(self) -> None:
        """An account with letters in its name has no `wa_id`, and is written to by BSUID."""
        value = said("<body>Hi</body>", peer="ann@example.org")
        assert value["contacts"] == [{"profile": {"name": "Ann"}, "user_id": "ZZ.10000000000000042"}]
        assert value["messages"][0]["from"] == "ZZ.10000000000000042"

    def test_who_has_no_account(self) -> None:
        """An address of another domain is told as it is, beside a BSUID that names nobody."""
        value = said("<body>Hi</body>", peer="5@irc.example.org", account_id=0)
        assert value["contacts"][0]["user_id"] == "ZZ.10000000000000000"
        assert "wa_id" not in value["contacts"][0]
        assert value["messages"][0]["from"] == "5@irc.example.org"

    def test_who_has_no_name(self) -> None:
        """Without a name the account's own stands there."""
        assert said("<body>Hi</body>", name="")["contacts"][0]["profile"] == {"name": "15551234567"}

    def test_a_group(self) -> None:
        """What is said in a group names it, in a form that is no number (trap 6)."""
        found = message("<body>Hi</body>", room="team")
        assert found["group_id"] == group_id("team")
        assert not found["group_id"].isdigit()

    def test_the_same_bytes_again(self) -> None:
        """Trap 5: equal events give equal bytes."""
        view = EventView(event_of(), stanza("<body>Hi</body>"), TIME_MS)
        assert render(view, NUMBER, SERVICE, {}) == render(view, NUMBER, SERVICE, {})


class TestText:
    """Text, and what it refers to."""

    def test_a_reply(self) -> None:
        """The quoted part is left out (XEP-0461, XEP-0428), and the message named; also whose it is."""
        quote = "> Hello\n"
        fallback = f"<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='{len(quote)}'/>"
        content = (
            f"<body>&gt; Hello\nYes</body><reply xmlns='urn:xmpp:reply:0' id='x' to='{{to}}'/>{fallback}</fallback>"
        )
        found = message(content.format(to="15550001111@example.org/x"), target=900)
        assert found["text"] == {"body": "Yes"}
        assert found["context"] == {"from": "15550001111", "id": wamid(Epochs(1), Position(900))}
        assert message(content.format(to="15551234567@example.org"), target=900)["context"]["from"] == "15551234567"
        assert message(content.format(to="team@conference.example.org/Ann"), target=900)["context"] == {
            "id": wamid(Epochs(1), Position(900))
        }

    def test_a_reply_to_what_is_not_known(self) -> None:
        """It is a text of its own."""
        found = message("<body>Yes</body><reply xmlns='urn:xmpp:reply:0' id='x' to='a@example.org'/>")
        assert "context" not in found
        assert found["type"] == "text"

    @pytest.mark.parametrize(("start", "end"), [("9", "3"), ("0", "99"), ("x", "1"), ("", "")])
    def test_a_part_that_is_none(self, start: str, end: str) -> None:
        """A quoted part that lies outside the text leaves it as it is."""
        part = f"<body start='{start}' end='{end}'/>"
        fallback = f"<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'>{part}</fallback>"
        assert message(f"<body>Yes</body>{fallback}")["text"] == {"body": "Yes"}

    def test_a_correction(self) -> None:
        """It is an edit of the message, with all of the new one; of one that is not known, a message."""
        content = "<body>Hello</body><replace xmlns='urn:xmpp:message-correct:0' id='m0'/>"
        edit = message(content, target=900)
        assert edit["type"] == "edit"
        assert edit["edit"] == {
            "original_message_id": wamid(Epochs(1), Position(900)),
            "message": {"type": "text", "text": {"body": "Hello"}},
        }
        assert message(content)["type"] == "text"

    def test_taken_back(self) -> None:
        """A retraction names what it takes back."""
        content = "<body>…</body><retract xmlns='urn:xmpp:message-retract:1' id='m0'/>"
        found = message(content, target=900)
        assert found["type"] == "revoke"
        assert found["revoke"] == {"original_message_id": wamid(Epochs(1), Position(900))}
        assert message(content)["type"] == "unsupported"

    @pytest.mark.parametrize(
        ("reactions", "emoji"),
        [("<reaction>👍</reaction>", "👍"), ("<reaction>👍</reaction><reaction>❤️</reaction>", "❤️"), ("", "")],
    )
    def test_a_reaction(self, reactions: str, emoji: str) -> None:
        """One at a time: the last one; an empty one takes it away."""
        content = f"<reactions xmlns='urn:xmpp:reactions:0' id='m0'>{reactions}</reactions>"
        found = message(content, target=900)
        assert found["type"] == "reaction"
        assert found["reaction"] == {"message_id": wamid(Epochs(1), Position(900)), "emoji": emoji}
        assert message(content)["type"] == "unsupported"


class TestMedia:
    """Files that were uploaded here, and others."""

    @pytest.mark.parametrize(
        ("media_type", "kind"),
        [("image/png", "image"), ("video/mp4", "video"), ("audio/ogg", "audio"), ("application/pdf", "document")],
    )
    def test_kinds(self, media_type: str, kind: str) -> None:
        """The type is that of the upload; the id is all digits (trap 6)."""
        found = message(f"<body>{URL}</body>{OOB}", uploads=upload_of(media_type, "a.bin"))
        assert found["type"] == kind
        assert found[kind]["id"].isdigit()
        assert found[kind]["mime_type"] == media_type
        assert found[kind]["sha256"] == "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
        assert "caption" not in found[kind]
        assert found[kind].get("filename") == ("a.bin" if kind == "document" else None)

    def test_a_voice_note(self) -> None:
        """Sound with an outline is a voice note, without one a file."""
        outline = "<waveform xmlns='urn:raftline:voice:0'>AAUw</waveform>"
        uploads = upload_of("audio/mp4")
        assert message(SHARING.format(about=outline), uploads=uploads)["audio"]["voice"] is True
        assert message(SHARING.format(about=""), uploads=uploads)["audio"]["voice"] is False

    def test_what_the_sender_says_of_it(self) -> None:
        """Name and caption are the sender's; its type counts where the upload has none."""
        about = "<media-type>image/webp</media-type><name>cat.webp</name><desc>My cat</desc>"
        found = message(SHARING.format(about=about), uploads=upload_of("application/octet-stream"))
        assert found["image"]["mime_type"] == "image/webp"
        assert found["image"]["caption"] == "My cat"
        found = message(SHARING.format(about="<name>b.pdf</name>"), uploads=upload_of("application/pdf", "a.pdf"))
        assert found["document"]["filename"] == "b.pdf"

    def test_text_beside_the_address(self) -> None:
        """Lines of the text that are not addresses are the caption; more files than one go with it."""
        other = "https://elsewhere.example/x.jpg"
        content = f"<body>Look\n{URL}</body>{OOB}<x xmlns='jabber:x:oob'><url>{other}</url></x>"
        assert message(content, uploads=UPLOADS)["image"]["caption"] == f"Look\n{other}"

    def test_a_sticker(self) -> None:
        """A file with the mark of a sticker (XEP-0449)."""
        content = SHARING.format(about="") + "<sticker xmlns='urn:xmpp:stickers:0' pack='p'/>"
        found = message(content, uploads=upload_of("image/webp"))
        assert found["type"] == "sticker"
        assert found["sticker"]["animated"] is False

    @pytest.mark.parametrize("url", [URL, "https://elsewhere.example/upload/x/cat.jpg", "https://elsewhere.example/c"])
    def test_what_is_not_here(self, url: str) -> None:
        """What was never uploaded here, or has gone, is a text with its address."""
        found = message(f"<body>{url}</body><x xmlns='jabber:x:oob'><url>{url}</url></x>")
        assert found["text"] == {"body": url}

    def test_an_address_alone(self) -> None:
        """The address of an upload as the whole text is the file."""
        assert message(f"<body>{URL}</body>", uploads=UPLOADS)["type"] == "image"
        assert message(f"<body>See {URL}</body>", uploads=UPLOADS)["type"] == "text"


class TestPlaces:
    """Locations."""

    def test_a_place(self) -> None:
        """XEP-0080, with what it is called."""
        geoloc = (
            "<geoloc xmlns='http://jabber.org/protocol/geoloc'><lat>52.52</lat><lon>13.405</lon>"
            "<description>Tower</description><street>A 1</street><locality>Berlin</locality>"
            "<uri>https://maps.example/1</uri></geoloc>"
        )
        assert message(f"<body>geo:52.52,13.405</body>{geoloc}")["location"] == {
            "latitude": 52.52,
            "longitude": 13.405,
            "name": "Tower",
            "address": "A 1, Berlin",
            "url": "https://maps.example/1",
        }

    def test_an_address_of_a_place(self) -> None:
        """`geo:` as the whole text (RFC 5870)."""
        assert message("<body>geo:-1.5,170.25;u=30</body>")["location"] == {"latitude": -1.5, "longitude": 170.25}

    @pytest.mark.parametrize(
        "content",
        [
            "<body>geo:91,0</body>",
            "<body>geo:0,181</body>",
            "<body>see geo:1,2</body>",
            "<body>x</body><geoloc xmlns='http://jabber.org/protocol/geoloc'><lat>nan</lat><lon>1</lon></geoloc>",
            "<body>x</body><geoloc xmlns='http://jabber.org/protocol/geoloc'><lat>1</lat></geoloc>",
        ],
    )
    def test_nowhere_on_earth(self, content: str) -> None:
        """What is no place is text."""
        assert message(content)["type"] == "text"


class TestCards:
    """Contact cards."""

    def test_vcard_temp(self) -> None:
        """XEP-0054; an address here with a number gives the phone its `wa_id`."""
        card = (
            "<vCard xmlns='vcard-temp'><FN>Bob Roe</FN><N><GIVEN>Bob</GIVEN><FAMILY>Roe</FAMILY></N>"
            "<BDAY>2000-01-02</BDAY><TEL><WORK/><NUMBER>+1 (555) 123-4568</NUMBER></TEL><TEL><NUMBER>12</NUMBER></TEL>"
            "<EMAIL><HOME/><USERID>bob@mail.example</USERID></EMAIL><URL>https://bob.example</URL>"
            "<ADR><HOME/><STREET>A 1</STREET><LOCALITY>B</LOCALITY><CTRY>US</CTRY></ADR><ADR><HOME/></ADR>"
            "<ORG><ORGNAME>Roe Ltd</ORGNAME><ORGUNIT>Shop</ORGUNIT></ORG><TITLE>Owner</TITLE>"
            "<JABBERID>15551234568@example.org</JABBERID></vCard>"
        )
        (contact,) = message(f"<body>Bob</body>{card}")["contacts"]
        assert contact == {
            "name": {"formatted_name": "Bob Roe", "first_name": "Bob", "last_name": "Roe"},
            "birthday": "2000-01-02",
            "phones": [{"phone": "+1 (555) 123-4568", "type": "WORK", "wa_id": "15551234568"}, {"phone": "12"}],
            "emails": [{"email": "bob@mail.example", "type": "HOME"}],
            "urls": [{"url": "https://bob.example"}],
            "addresses": [{"street": "A 1", "city": "B", "country": "US", "type": "HOME"}],
            "org": {"company": "Roe Ltd", "department": "Shop", "title": "Owner"},
        }

    def test_vcard4(self) -> None:
        """XEP-0292."""
        card = (
            "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>Bob</text></fn>"
            "<tel><parameters><type><text>cell</text></type></parameters><uri>tel:+15551234568</uri></tel>"
            "<email><text>bob@mail.example</text></email><org><text>Roe Ltd</text></org>"
            "<adr><street>A 1</street><code>12</code></adr><impp><uri>xmpp:15551234569@example.org</uri></impp></vcard>"
        )
        (contact,) = message(card)["contacts"]
        assert contact == {
            "name": {"formatted_name": "Bob"},
            "phones": [
                {"phone": "+15551234568", "type": "CELL"},
                {"phone": "+15551234569", "type": "CELL", "wa_id": "15551234569"},
            ],
            "emails": [{"email": "bob@mail.example"}],
            "addresses": [{"street": "A 1", "zip": "12"}],
            "org": {"company": "Roe Ltd"},
        }

    def test_without_a_name(self) -> None:
        """Clients insist on one: it is made of what there is."""
        assert message("<vCard xmlns='vcard-temp'><TEL><NUMBER>12</NUMBER></TEL></vCard>")["contacts"] == [
            {"name": {"formatted_name": "12"}, "phones": [{"phone": "12"}]}
        ]
        assert message("<vCard xmlns='vcard-temp'><N><GIVEN>Bob</GIVEN></N></vCard>")["contacts"][0]["name"] == {
            "formatted_name": "Bob",
            "first_name": "Bob",
        }


class TestUnsupported:
    """What cannot be told."""

    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            ("<encrypted xmlns='urn:xmpp:omemo:2'/><body>sealed</body>", "encrypted"),
            ("<encrypted xmlns='eu.siacs.conversations.axolotl'/><body>sealed</body>", "encrypted"),
            ("<openpgp xmlns='urn:xmpp:openpgp:0'/>", "encrypted"),
            ("<view-once xmlns='urn:raftline:view-once:0'/><body>A photo</body>", "view_once"),
            ("<retracted xmlns='urn:xmpp:message-retract:1' id='x' stamp='y'/>", "revoked"),
            ("<thing xmlns='urn:example'/>", "unknown"),
        ],
    )
    def test_it_says_what(self, content: str, kind: str) -> None:
        """Error 131051, with a sentence for people."""
        found = message(content)
        assert found["type"] == "unsupported"
        assert found["unsupported"] == {"type": kind}
        assert found["errors"][0]["code"] == 131051
        assert found["errors"][0]["error_data"]["details"]

    def test_gone(self) -> None:
        """A message that no archive has any more."""
        view = EventView(event_of(), None, 0)
        assert b'"unsupported":{"type":"gone"}' in render(view, NUMBER, SERVICE, {})


class TestStatuses:
    """How far messages of the number have come."""

    @pytest.mark.parametrize(
        ("state", "name"),
        [
            (MessageStatus.SENT, "sent"),
            (MessageStatus.DELIVERED, "delivered"),
            (MessageStatus.READ, "read"),
            (MessageStatus.PLAYED, "played"),
        ],
    )
    def test_on_the_way(self, state: MessageStatus, name: str) -> None:
        """Each with who has it (trap 3), what was handed along, and what it does not cost."""
        value = value_of(status(state, opaque="order 7", message=900))
        assert value["contacts"][0]["user_id"] == USER_ID
        (told,) = value["statuses"]
        assert told["id"] == wamid(Epochs(1), Position(900))
        assert told["status"] == name
        assert told["timestamp"] == str(TIME_MS // 1000)
        assert told["recipient_id"] == "15551234567"
        assert told["biz_opaque_callback_data"] == "order 7"
        assert told["pricing"]["billable"] is False
        assert told["conversation"]["origin"] == {"type": "service"}
        assert ("expiration_timestamp" in told["conversation"]) == (name == "sent")
        assert "errors" not in told

    def test_failed(self) -> None:
        """With the error, and nothing of a conversation."""
        (told,) = value_of(status(MessageStatus.FAILED, error=131026, text="Nobody there."))["statuses"]
        assert told["status"] == "failed"
        assert told["errors"] == [
            {
                "code": 131026,
                "title": "Message undeliverable",
                "message": "Message undeliverable",
                "error_data": {"details": "Nobody there."},
            }
        ]
        assert not {"conversation", "pricing", "biz_opaque_callback_data"} & set(told)

    def test_in_a_group(self) -> None:
        """Of each member, by group and participant, who is among the contacts."""
        value = value_of(status(MessageStatus.READ, room="team"))
        (told,) = value["statuses"]
        assert told["recipient_type"] == "group"
        assert told["recipient_id"] == group_id("team")
        assert told["recipient_participant_id"] == "15551234567"
        assert told["recipient_participant_user_id"] == value["contacts"][0]["user_id"]


class TestAnswers:
    """What a person chose."""

    def test_forms(self) -> None:
        """A button, a row, and a quick reply of a template, each with the question."""
        option = Option("yes", "Yes", "of course")
        found = [
            value_of(answered(kind, option, target=900))["messages"][0]
            for kind in (PromptKind.BUTTONS, PromptKind.LIST, PromptKind.QUICK_REPLIES)
        ]
        assert all(one["context"] == {"from": "15550001111", "id": wamid(Epochs(1), Position(900))} for one in found)
        assert found[0]["interactive"] == {"type": "button_reply", "button_reply": {"id": "yes", "title": "Yes"}}
        assert found[1]["interactive"] == {
            "type": "list_reply",
            "list_reply": {"id": "yes", "title": "Yes", "description": "of course"},
        }
        assert found[2]["button"] == {"payload": "yes", "text": "Yes"}
        assert [one["type"] for one in found] == ["interactive", "interactive", "button"]


class Program:
    """
    A program written with pywa, unmodified, that filters by business and number (trap 7).

    Attributes:
        seen: What its handlers got.
    """

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.client = WhatsApp(
            phone_id="300000000000007",
            token="x",
            waba_id="200000000000003",
            app_secret="0f" * 16,
        )
        for add in (
            self.client.on_message,
            self.client.on_message_status,
            self.client.on_callback_button,
            self.client.on_callback_selection,
            self.client.on_edited_message,
            self.client.on_deleted_message,
            self.client.on_group_message_statuses,
        ):
            add()(self._take)

    def _take(self, _client: object, update: object) -> None:
        self.seen.append(update)

    def gets(self, body: bytes) -> Any:
        """Hand a POST to it as a web server would; returns what its handler gets."""
        count = len(self.seen)
        assert self.client.webhook_update_validator(body, sign(b"\x0f" * 16, body)) is None
        assert self.client.webhook_update_handler(body) == ("ok", 200)
        assert len(self.seen) == count + 1, "pywa dropped it"
        return self.seen[-1]


def bytes_of(content: str, *, uploads: dict[bytes, Any] | None = None, **fields: Any) -> bytes:
    """Return the webhook for a stanza."""
    view = EventView(event_of(**fields), stanza(content), TIME_MS)
    return render(view, NUMBER, SERVICE, uploads or {})


class TestPywa:
    """What pywa makes of it, unmodified."""

    def test_text_and_reply(self) -> None:
        """Somebody wrote, and the answer goes to their BSUID (trap 2)."""
        got = Program().gets(bytes_of("<body>Hi</body><reply xmlns='urn:xmpp:reply:0' id='x'/>", target=900))
        assert (got.text, got.from_user.wa_id, got.from_user.bsuid, got.from_user.name) == (
            "Hi",
            "15551234567",
            USER_ID,
            "Ann",
        )
        assert got.reply_to_message.id == wamid(Epochs(1), Position(900))
        assert got.id == wamid(Epochs(1), Position(1_000))

    @pytest.mark.parametrize(
        ("content", "kind", "media_type"),
        [
            (OOB, "image", "image/jpeg"),
            (OOB, "video", "video/mp4"),
            (OOB, "audio", "audio/ogg"),
            (OOB, "document", "application/pdf"),
            (f"{OOB}<sticker xmlns='urn:xmpp:stickers:0'/>", "sticker", "image/webp"),
        ],
    )
    def test_media(self, content: str, kind: str, media_type: str) -> None:
        """Each kind of file, with an id that it takes for one."""
        got = Program().gets(bytes_of(content, uploads=upload_of(media_type)))
        assert got.type == kind
        assert got.media.id.isdigit()
        assert got.media.mime_type == media_type

    def test_other_content(self) -> None:
        """Places, cards, reactions and what is unsupported."""
        program = Program()
        assert program.gets(bytes_of("<body>geo:1.5,2.5</body>")).location.latitude == 1.5
        card = "<vCard xmlns='vcard-temp'><FN>Bob</FN><TEL><NUMBER>12</NUMBER></TEL></vCard>"
        assert program.gets(bytes_of(card)).contacts[0].name.formatted_name == "Bob"
        reactions = "<reactions xmlns='urn:xmpp:reactions:0' id='m0'>{}</reactions>"
        got = program.gets(bytes_of(reactions.format("<reaction>👍</reaction>"), target=900))
        assert (got.reaction.emoji, got.reaction.message_id) == ("👍", wamid(Epochs(1), Position(900)))
        assert program.gets(bytes_of(reactions.format(""), target=900)).reaction.emoji is None
        got = program.gets(bytes_of("<encrypted xmlns='urn:xmpp:omemo:2'/>"))
        assert (got.type, got.error.code) == ("unsupported", 131051)

    def test_changes(self) -> None:
        """Edits and revocations name the message."""
        program = Program()
        edit = "<body>Hello</body><replace xmlns='urn:xmpp:message-correct:0' id='m0'/>"
        got = program.gets(bytes_of(edit, target=900))
        assert (got.message.text, got.original_message_id) == ("Hello", wamid(Epochs(1), Position(900)))
        got = program.gets(bytes_of("<retract xmlns='urn:xmpp:message-retract:1' id='m0'/>", target=900))
        assert got.original_message_id == wamid(Epochs(1), Position(900))

    def test_answers(self) -> None:
        """Buttons, rows and quick replies."""
        program = Program()
        option = Option("yes", "Yes", "of course")
        got = [
            program.gets(answered(kind, option, target=900))
            for kind in (PromptKind.BUTTONS, PromptKind.LIST, PromptKind.QUICK_REPLIES)
        ]
        assert [(one.data, one.title) for one in got] == [("yes", "Yes")] * 3
        assert got[1].description == "of course"
        assert all(one.reply_to_message.id == wamid(Epochs(1), Position(900)) for one in got)

    @pytest.mark.parametrize("state", [state for state in MessageStatus if state])
    def test_statuses(self, state: MessageStatus) -> None:
        """Each status, with its error and what was handed along."""
        code = 131026 if state == MessageStatus.FAILED else 0
        got = Program().gets(status(state, opaque="order 7", error=code, text="Nobody there." if code else ""))
        assert got.status == state.name.lower()
        assert got.tracker == "order 7"
        assert got.from_user.bsuid == USER_ID
        assert (got.error and got.error.code) == (code or None)

    def test_groups(self) -> None:
        """What is said in a group, and who of it has read."""
        program = Program()
        got = program.gets(bytes_of("<body>Hi</body>", room="team"))
        assert (got.chat.type, got.chat.id) == ("GROUP", group_id("team"))
        got = program.gets(status(MessageStatus.READ, room="team"))
        assert got.group_id == group_id("team")
        assert got[0].from_user.wa_id == "15551234567"

    def test_the_same_again_is_skipped(self) -> None:
        """Trap 5: a repetition is told by its bytes."""
        program = Program()
        body = bytes_of("<body>Hi</body>")
        program.gets(body)
        assert program.client.webhook_update_handler(body) == ("ok", 200)
        assert len(program.seen) == 1

    def test_the_signature_counts(self) -> None:
        """Another body, or none, is refused."""
        program = Program()
        body = bytes_of("<body>Hi</body>")
        assert program.client.webhook_update_validator(body, sign(b"\x0e" * 16, body)) == ("Forbidden", 403)
        assert program.client.webhook_update_validator(body + b" ", sign(b"\x0f" * 16, body)) == ("Forbidden", 403)
