"""XEP-0227 Portable Import/Export Format, by section: files in pieces, pieces as commands, and what is written."""

from __future__ import annotations

from base64 import b64encode

import pytest

from raftline.base.ids import Epochs, Position
from raftline.machine.commands import ChangeBlocklist, Credential, PrivateElement, SetVcard, StorePrivate
from raftline.machine.message_commands import Storage
from raftline.machine.outcomes import RosterItem
from raftline.machine.portability.commands import ImportedContact, ImportedMessage
from raftline.machine.pubsub.commands import Affiliation, ChangeAffiliations, CreateNode, Publish
from raftline.machine.pubsub.values import NodeConfig, NodeDetails, NodeItem
from raftline.machine.queries import ArchiveRow
from raftline.xmpp.element import Element
from raftline.xmpp.jid import parse_jid
from raftline.xmpp.payloads import imported_at, stored_element, without_import_mark
from raftline.xmpp.portability import reader as reader_module
from raftline.xmpp.portability import writing
from raftline.xmpp.portability.reader import BadFile, Piece, PortableReader, UserBegun
from raftline.xmpp.portability.reading import NotCarried, archive_id_of, read_credential, read_piece

DOMAIN = "example.org"
OWNER = parse_jid(f"alice@{DOMAIN}")
BOB = f"bob@{DOMAIN}"
TIME_MS = 1_278_803_305_000
STAMP = "2010-07-10T23:08:25Z"
PUBSUB = "http://jabber.org/protocol/pubsub"
OURS = f"<delay xmlns='urn:xmpp:delay' from='example.org' stamp='{STAMP}'/>"
MESSAGE = (
    f"<message xmlns='jabber:client' from='{BOB}/orchard' to='alice@{DOMAIN}' type='chat'><body>hi</body></message>"
)


def file_of(content: str, *, host: str = DOMAIN, name: str = "alice") -> bytes:
    return (
        f"<?xml version='1.0'?><server-data xmlns='urn:xmpp:pie:0'><host jid='{host}'><user name='{name}'>{content}"
        "</user></host></server-data>"
    ).encode()


def read(data: bytes, step: int = 0) -> list[UserBegun | Piece]:
    """Read a file, in steps of some bytes if given."""
    reader = PortableReader()
    found: list[UserBegun | Piece] = []
    for begin in range(0, len(data), step or len(data) or 1):
        found += reader.feed(data[begin : begin + (step or len(data))])
    return found + reader.close()


def pieces_of(content: str) -> list[Piece]:
    return [found for found in read(file_of(content)) if isinstance(found, Piece)]


def commands_of(content: str) -> list[object]:
    return [read_piece(piece.kind, piece.node, piece.element, OWNER) for piece in pieces_of(content)]


def archived(message: str = MESSAGE, stamp: str = STAMP) -> str:
    return (
        "<archive xmlns='urn:xmpp:pie:0#mam'><result xmlns='urn:xmpp:mam:2' id='1'>"
        "<forwarded xmlns='urn:xmpp:forward:0'>"
        f"<delay xmlns='urn:xmpp:delay' stamp='{stamp}'/>{message}</forwarded></result></archive>"
    )


class TestFile:
    """Section 3: file format, hosts, users."""

    def test_pieces_come_one_by_one(self) -> None:
        """However the bytes are cut; of containers their children, each under its own kind."""
        content = (
            "<query xmlns='jabber:iq:roster'><item jid='a@x'/><item jid='b@x'/></query>"
            f"<offline-messages>{MESSAGE}</offline-messages>{archived()}"
            f"<pubsub xmlns='{PUBSUB}'><items node='n'><item id='1'/><item id='2'/></items></pubsub>"
            "<vCard xmlns='vcard-temp'/><odd xmlns='x:y'><e/></odd>"
        )
        data = file_of(content)
        found = read(data)
        assert found[0] == UserBegun(DOMAIN, "alice", "")
        assert [(piece.kind, piece.node) for piece in found[1:] if isinstance(piece, Piece)] == [
            ("contact", ""),
            ("contact", ""),
            ("offline", ""),
            ("archived", ""),
            ("item", "n"),
            ("item", "n"),
            ("card", ""),
            ("unknown", ""),
        ]
        assert read(data, 7) == found

    def test_several_hosts_and_users(self) -> None:
        """Each is told before its data."""
        data = (
            b"<server-data xmlns='urn:xmpp:pie:0'><host jid='a'><user name='x' password='p'/><user name='y'/></host>"
            b"<host jid='b'><user name='x'/></host></server-data>"
        )
        assert read(data) == [UserBegun("a", "x", "p"), UserBegun("a", "y", ""), UserBegun("b", "x", "")]

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"<html/>", "does not begin"),
            (b"<server-data xmlns='other'/>", "does not begin"),
            (b"<server-data xmlns='urn:xmpp:pie:0'><host jid='a'>", "no element found"),
            (b"<!DOCTYPE x [<!ENTITY e 'x'>]><server-data xmlns='urn:xmpp:pie:0'/>", "document type"),
            (b"<server-data xmlns='urn:xmpp:pie:0'>text</server-data>", "text in a place"),
            (
                b"<server-data xmlns='urn:xmpp:pie:0'><i:include xmlns:i='http://www.w3.org/2001/XInclude'/></server-data>",
                "XInclude",
            ),
            (b"", "no element found"),
        ],
    )
    def test_what_is_no_such_file(self, data: bytes, reason: str) -> None:
        """Told with its line; parts in other files (section 4) are refused, not passed over."""
        with pytest.raises(BadFile, match=reason):
            read(data)

    def test_includes_inside_of_user_data_are_data(self) -> None:
        """Section 5: they are not followed."""
        include = "<include xmlns='http://www.w3.org/2001/XInclude' href='a'/>"
        content = f"<query xmlns='jabber:iq:private'><e xmlns='x'>{include}</e></query>"
        assert [piece.kind for piece in pieces_of(content)] == ["private"]

    def test_a_piece_has_a_greatest_size(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """In characters, elements and depth; both sides."""
        card = "<vCard xmlns='vcard-temp'>{}</vCard>"
        monkeypatch.setattr(reader_module, "PIECE_CHARACTERS_MAX", 10)
        assert len(pieces_of(card.format("x" * 10))) == 1
        with pytest.raises(BadFile, match="characters"):
            pieces_of(card.format("x" * 11))
        monkeypatch.setattr(reader_module, "ELEMENT_COUNT_MAX", 3)
        assert len(pieces_of(card.format("<a/><a/>"))) == 1
        with pytest.raises(BadFile, match="elements"):
            pieces_of(card.format("<a/><a/><a/>"))
        monkeypatch.setattr(reader_module, "ELEMENT_DEPTH_MAX", 2)
        assert len(pieces_of(card.format("<a/>"))) == 1
        with pytest.raises(BadFile, match="deep"):
            pieces_of(card.format("<a><a/></a>"))


class TestCredentials:
    """Section 3.3."""

    CREDENTIAL = Credential("SCRAM-SHA-256", b"salt", 10_000, b"s" * 32, b"k" * 32)

    def test_they_come_back(self) -> None:
        """What is written is read as what it was."""
        (piece,) = pieces_of(writing.credentials_xml((self.CREDENTIAL,)))
        assert piece.kind == "credentials"
        assert read_credential(piece.element) == self.CREDENTIAL

    @pytest.mark.parametrize(
        ("field", "text", "reason"),
        [
            ("iter-count", "0", "iterations"),
            ("iter-count", "010", "iterations"),
            ("iter-count", "99999999", "iterations"),
            ("salt", "", "salt"),
            ("salt", "?", "credentials"),
            ("stored-key", "c2hvcnQ=", "another size"),
            ("server-key", b64encode(b"k" * 33).decode(), "another size"),
            ("mechanism", "SCRAM-MD5", "not offered"),
            ("", "", "once"),
        ],
    )
    def test_what_cannot_be_is_told(self, field: str, text: str, reason: str) -> None:
        """Nothing is kept that nobody could log in with, or that would keep a client busy for minutes."""
        (piece,) = pieces_of(writing.credentials_xml((self.CREDENTIAL,)))
        element = piece.element
        if field == "mechanism":
            element.attributes[field] = text
        elif not field:
            element.children.pop()
        else:
            next(child for child in element.elements() if child.name == field).children[:] = [text]
        with pytest.raises(NotCarried, match=reason):
            read_credential(element)


class TestRosters:
    """Sections 3.4 and 3.9."""

    def test_items_come_back(self) -> None:
        """With name, subscription, groups, what is asked and granted."""
        item = RosterItem(BOB, "B & n", "from", ask=True, groups=("g<1>",), approved=True)
        assert commands_of(writing.roster_xml([item])) == [
            ImportedContact(BOB, True, "B & n", ("g<1>",), 2, ask=True, approved=True)
        ]

    def test_addresses_are_prepared(self) -> None:
        """As a client's are (RFC 7622)."""
        assert commands_of("<query xmlns='jabber:iq:roster'><item jid='BOB@Example.ORG'/></query>") == [
            ImportedContact(BOB, True)
        ]

    @pytest.mark.parametrize(
        "item", ["<item/>", "<item jid='@'/>", "<item jid='a@b/c'/>", "<item jid='a@b' subscription='remove'/>", "<x/>"]
    )
    def test_what_cannot_be_is_told(self, item: str) -> None:
        """With the address, as far as there is one."""
        with pytest.raises(NotCarried, match="contact"):
            commands_of(f"<query xmlns='jabber:iq:roster'>{item}</query>")

    def test_requests_come_back(self) -> None:
        """Bytes as they were kept; other presence is not taken for one."""
        request = (
            f"<presence from='{BOB}' to='alice@{DOMAIN}' type='subscribe' id='7'><nick xmlns='n'>B</nick></presence>"
        )
        assert commands_of(writing.requests_xml([request.encode()])) == [
            ImportedContact(BOB, False, request=request.encode())
        ]
        with pytest.raises(NotCarried):
            commands_of(f"<presence xmlns='jabber:client' from='{BOB}'/>")


class TestOtherData:
    """Sections 3.6, 3.7, and block lists."""

    def test_private_data_and_card_come_back(self) -> None:
        """Elements without a namespace keep having none."""
        kept = (PrivateElement("x:y", "e", b"<e xmlns='x:y'><z/></e>"), PrivateElement("", "n", b"<n a='1'/>"))
        assert commands_of(writing.private_xml(kept)) == [StorePrivate((element,)) for element in kept]
        card = b"<vCard xmlns='vcard-temp'><FN>Al</FN></vCard>"
        assert commands_of(writing.card_xml(card)) == [SetVcard(card, None)]
        assert writing.card_xml(None) == ""

    def test_the_block_list_comes_back(self) -> None:
        """In the form of XEP-0191; something that is no address is told."""
        assert commands_of(writing.blocklist_xml(["evil.example", "a@b/c"])) == [
            ChangeBlocklist(blocked=True, addresses=("evil.example",)),
            ChangeBlocklist(blocked=True, addresses=("a@b/c",)),
        ]
        with pytest.raises(NotCarried):
            commands_of("<blocklist xmlns='urn:xmpp:blocking'><item/></blocklist>")

    def test_what_is_not_known_is_told(self) -> None:
        """By its name."""
        with pytest.raises(NotCarried, match="x:y"):
            commands_of("<odd xmlns='x:y'/>")


class TestNodes:
    """Section 3.10."""

    def test_configurations_come_back(self) -> None:
        """Fields that are the default as well, and who may read it."""
        config = NodeConfig(access_model="whitelist", max_items=0, title="T", persist_items=False)
        details = NodeDetails("n", config, 0, ((BOB, "member"),))
        node, affiliations = commands_of(writing.nodes_xml([details]))
        assert isinstance(node, CreateNode)
        assert node.options is not None
        assert (node.node, node.options.access_model, node.options.max_items) == ("n", "whitelist", 0)
        assert (node.options.title, node.options.persist_items) == ("T", False)
        assert affiliations == ChangeAffiliations("n", (Affiliation(BOB, "member"),))

    def test_options_that_are_not_known_are_left_out(self) -> None:
        """And who may publish, since only the owner ever may; a model that does not exist is told by apply."""
        form = (
            f"<pubsub xmlns='{PUBSUB}#owner'><configure node='n'><x xmlns='jabber:x:data' type='form'>"
            f"<field var='FORM_TYPE'><value>{PUBSUB}#node_config</value></field>"
            "<field var='pubsub#publish_model'><value>open</value></field><field var='other#x'><value>1</value></field>"
            "</x></configure></pubsub>"
        )
        (node,) = commands_of(form)
        assert isinstance(node, CreateNode)
        assert node.options is not None
        assert not any(getattr(node.options, name) is not None for name in node.options.__struct_fields__)

    def test_items_come_back(self) -> None:
        """Each to its node; an item that announces a picture says so."""
        items = [NodeItem("1", b"<p xmlns='x'/>", 0), NodeItem("2", b"", 0)]
        content = f"{writing.ITEMS_BEGIN}{writing.items_xml('n', items)}{writing.ITEMS_END}"
        assert commands_of(content) == [Publish("n", "1", b"<p xmlns='x'/>"), Publish("n", "2", b"")]
        node = "urn:xmpp:avatar:metadata"
        picture = NodeItem(
            "ab", f"<metadata xmlns='{node}'><info id='AB' bytes='1' type='image/png'/></metadata>".encode(), 0
        )
        (publish,) = commands_of(f"{writing.ITEMS_BEGIN}{writing.items_xml(node, [picture])}{writing.ITEMS_END}")
        assert isinstance(publish, Publish)
        assert publish.avatar == "ab"

    def test_subscriptions_of_others_are_told(self) -> None:
        """They make them anew."""
        with pytest.raises(NotCarried, match="subscriptions"):
            commands_of("<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><subscriptions node='n'/></pubsub>")


class TestMessages:
    """Sections 3.5 and 3.11."""

    def test_a_message_of_the_archive(self) -> None:
        """Its contact is the other side; when it was sent stands in the stanza first."""
        (command,) = commands_of(archived())
        assert isinstance(command, ImportedMessage)
        assert (command.contact, command.sender, command.from_resource) == (BOB, BOB, "orchard")
        assert (command.to_resource, command.storage) == ("", int(Storage.ARCHIVE))
        assert imported_at(command.stanza, DOMAIN) == TIME_MS
        assert command.stanza.endswith(b"<body>hi</body></message>")

    def test_one_that_the_account_sent(self) -> None:
        """The contact is who it was for; without `to` it is the account itself."""
        sent = f"<message xmlns='jabber:client' from='alice@{DOMAIN}/pc' to='carol@{DOMAIN}/x'><body/></message>"
        (command,) = commands_of(archived(sent))
        assert isinstance(command, ImportedMessage)
        assert (command.contact, command.sender, command.to_resource) == (f"carol@{DOMAIN}", str(OWNER), "x")
        (command,) = commands_of(archived(f"<message xmlns='jabber:client' from='alice@{DOMAIN}/pc'><body/></message>"))
        assert isinstance(command, ImportedMessage)
        assert command.contact == str(OWNER)

    def test_what_only_servers_say_is_left_out(self) -> None:
        """Ids and delays by this domain; those of others are their own."""
        delay = "<delay xmlns='urn:xmpp:delay' from='{}' stamp='{}-01-01T00:00:00Z'/>"
        claims = f"<stanza-id xmlns='urn:xmpp:sid:0' by='alice@{DOMAIN}' id='9-9'/>"
        claims += f"{delay.format(DOMAIN, 1999)}{delay.format('other', 1998)}</message>"
        (command,) = commands_of(archived(MESSAGE.replace("</message>", claims)))
        assert isinstance(command, ImportedMessage)
        assert b"9-9" not in command.stanza
        assert b"1999" not in command.stanza
        assert b"1998" in command.stanza
        assert imported_at(command.stanza, DOMAIN) == TIME_MS

    @pytest.mark.parametrize(
        "content",
        [
            archived(stamp="yesterday"),
            archived("<message xmlns='jabber:client' from='x@y' to='y@z'/>"),
            archived("<message xmlns='jabber:client' from='@'/>"),
            archived("<iq xmlns='jabber:client'/>"),
            f"<offline-messages>{MESSAGE}</offline-messages>",
            "<offline-messages><iq xmlns='jabber:client'/></offline-messages>",
        ],
    )
    def test_what_cannot_be_is_told(self, content: str) -> None:
        """No time, no message, or one between others."""
        with pytest.raises(NotCarried):
            commands_of(content)

    @pytest.mark.parametrize("is_archived", [True, False])
    def test_one_that_waits_comes_back(self, is_archived: bool) -> None:
        """With its time; if the archive has it too, with the id there."""
        row = ArchiveRow(Position(70), TIME_MS, MESSAGE.replace(" xmlns='jabber:client'", "").encode())
        xml = writing.offline_xml(row, str(OWNER), DOMAIN, Epochs(2), is_archived=is_archived)
        (piece,) = pieces_of(f"<offline-messages>{xml}</offline-messages>")
        assert archive_id_of(piece.element, OWNER) == ("2-70" if is_archived else "")
        command = read_piece(piece.kind, "", piece.element, OWNER)
        assert isinstance(command, ImportedMessage)
        assert command.storage == int(Storage.OFFLINE)
        assert imported_at(command.stanza, DOMAIN) == TIME_MS
        assert without_import_mark(command.stanza, DOMAIN) == row.stanza

    def test_an_imported_one_goes_out_as_it_came_in(self) -> None:
        """Its time is that of its sending, said once."""
        (command,) = commands_of(archived())
        assert isinstance(command, ImportedMessage)
        row = ArchiveRow(Position(5), TIME_MS + 10**12, command.stanza)
        xml = writing.archived_xml(row, DOMAIN, Epochs(1))
        assert xml.count("<delay") == 1
        assert commands_of(f"<archive xmlns='urn:xmpp:pie:0#mam'>{xml}</archive>") == [command]


class TestMark:
    """What tells an imported message from one that was sent here."""

    @pytest.mark.parametrize(
        "stanza",
        [
            f"<message><body/>{OURS}</message>",
            f"<message>{OURS.replace('example.org', 'other')}</message>",
            f"<message><x xmlns='y'>{OURS}</x></message>",
            "<message/>",
            f"<presence>{OURS}</presence>",
        ],
    )
    def test_it_is_the_first_child_alone(self, stanza: str) -> None:
        """Clients can write a delay anywhere but there, where this server leaves none of theirs."""
        assert imported_at(stanza.encode(), DOMAIN) is None
        assert without_import_mark(stanza.encode(), DOMAIN) == stanza.encode()

    def test_attributes_may_hold_anything(self) -> None:
        """Brackets and quotes of either kind are escaped there."""
        mark = stored_element(b"<delay xmlns='urn:xmpp:delay' from='example.org' stamp='2010-07-10T23:08:25Z'/>")
        stanza = Element(
            "message", "jabber:client", {"id": "a>'\"<b"}, [mark, Element("body", "jabber:client")]
        ).to_bytes()
        assert imported_at(stanza, DOMAIN) == TIME_MS
        assert b"delay" not in without_import_mark(stanza, DOMAIN)
