"""
One account out of a cluster and into another one (XEP-0227), over HTTP, behind the administrator's token.

    GET  /admin/v1/users/NAME/export?page=CURSOR   {"section", "xml", "next"}: XML for the inside of `<user/>`; on the
                                                   first page also {"name", "domain"}
    POST /admin/v1/imports                         {"name", "host", "password", "credentials": [XML]}
                                                   → 201 {"jid", "left": [SENTENCE]}
    POST /admin/v1/users/NAME/import               {"pieces": [{"kind", "node", "xml", "waits"}]}
                                                   → {"done": {KIND: COUNT}, "left": [SENTENCE]}

An export is read page by page, from one node, in the order of `next`; what the account does meanwhile may be in it or
not. Pages of a section with a name go into one element (`offline`, `archive`), those of others stand by themselves.

An import begins with an account that is not there. Pieces are those of `raftline.xmpp.portability`; each is checked and
limited like a request of the account's own client. What cannot be taken over is told in `left` and the rest goes on.
Both take `Idempotency-Key`. An import that was cut short goes on with the second under the same keys, and nothing is
there twice, as long as the account is the one that was made then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Final, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from raftline.base.errors import Refused
from raftline.base.ids import Position
from raftline.base.limits import EXPORT_PAGE_BYTES_MAX, IMPORT_STANZA_SIZE_MAX
from raftline.machine.commands import ActForAccount, CreateAccount, Credential, PrivateElement
from raftline.machine.message_commands import Storage
from raftline.machine.outcomes import Rejected
from raftline.machine.portability.commands import ImportedMessage
from raftline.machine.portability.queries import OfflinePage, OfflineRow, PrivateElementsOf, RequestsOf
from raftline.machine.pubsub.commands import CreateNode, Publish
from raftline.machine.pubsub.queries import ItemsOf, NodeOf, NodesOf
from raftline.machine.pubsub.values import NodeDetails, NodeItem, NodeItems
from raftline.machine.queries import (
    AccountExists,
    AccountRow,
    ArchivePage,
    ArchiveRow,
    BlocklistOf,
    CredentialsOf,
    ListAccounts,
    Page,
    Roster,
    RosterOf,
    VcardOf,
)
from raftline.node.door import Node
from raftline.web.accounts import Derive, command_key, derive, prepare_username
from raftline.web.admin import IDEMPOTENCY_HEADER, Endpoint
from raftline.web.replies import BadRequest, json_reply, read_body, require_done
from raftline.xmpp.element import Element
from raftline.xmpp.jid import JID
from raftline.xmpp.portability import writing
from raftline.xmpp.portability.reading import Imported, NotCarried, read_credential, read_piece
from raftline.xmpp.xmlstream import StreamFailed, parse_element

IMPORT_BODY_BYTES_MAX: Final = 4 << 20
PIECE_COUNT_MAX: Final = 64
"""Of one request: so many commands are under way at once."""

PAGE_ROW_COUNT: Final = 100
_DIGITS_MAX: Final = 19


class NewImport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an account is made of; `credentials` are elements of XEP-0227 section 3.3."""

    name: str
    host: str
    password: str = ""
    credentials: tuple[str, ...] = ()


class PieceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A piece; `waits` says that a message of the archive waits for a device as well."""

    kind: str
    xml: str
    node: str = ""
    waits: bool = False


class Pieces(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Some pieces, in order."""

    pieces: tuple[PieceBody, ...]


@dataclass(frozen=True, slots=True)
class Portability:
    """
    The endpoints.

    Attributes:
        log: Takes a sentence and its details: what an administrator reads or writes of people leaves a line.
    """

    node: Node
    derive_credentials: Derive
    entropy: Callable[[int], bytes]
    log: Callable[..., object]

    def routes(self, guard: Callable[[Endpoint], Endpoint]) -> list[Route]:
        """Return all routes, each behind the guard."""
        return [
            Route("/admin/v1/users/{name}/export", guard(self.export_page), methods=["GET"]),
            Route("/admin/v1/imports", guard(self.begin_import), methods=["POST"]),
            Route("/admin/v1/users/{name}/import", guard(self.import_pieces), methods=["POST"]),
        ]

    # Out

    async def export_page(self, request: Request) -> Response:
        """Return a page: all but messages first, then those that wait, then the archive."""
        name = prepare_username(request.path_params["name"], self.node.domain)
        section, _, after = request.query_params.get("page", "").partition(":")
        if section not in {"", "offline", "archive"} or not _is_position(after, is_needed=bool(section)):
            raise BadRequest(400, "bad-request", "There is no such page.")
        await self.node.barrier()
        if not await self.node.ask(AccountExists(name)):
            raise Refused("item-not-found", "cancel", "There is no such account.")
        if not section:
            self.log("an account is exported for an administrator", account=name)
            xml = await self._all_but_messages(name)
            return json_reply(
                {"name": name, "domain": self.node.domain, "section": "", "xml": xml, "next": "offline:0"}
            )
        position = Position(int(after))
        if section == "offline":
            return json_reply(await self._offline_page(name, position))
        return json_reply(await self._archive_page(name, position))

    async def _all_but_messages(self, name: str) -> str:
        ask = self.node.ask
        own = f"{name}@{self.node.domain}"
        nodes = cast("list[NodeDetails]", await ask(NodesOf(name, own)))
        details = [cast("NodeDetails", await ask(NodeOf(name, own, node.node))) for node in nodes]
        items = [writing.items_xml(node.node, await self._items(name, own, node.node)) for node in nodes]
        parts = [
            writing.credentials_xml(cast("tuple[Credential, ...]", await ask(CredentialsOf(name)))),
            writing.roster_xml(cast("Roster", await ask(RosterOf(name))).items),
            writing.requests_xml(cast("tuple[bytes, ...]", await ask(RequestsOf(name)))),
            writing.private_xml(cast("tuple[PrivateElement, ...]", await ask(PrivateElementsOf(name)))),
            writing.card_xml(cast("bytes | None", await ask(VcardOf(name)))),
            writing.blocklist_xml(cast("tuple[str, ...]", await ask(BlocklistOf(name)))),
            writing.nodes_xml(details),
            writing.ITEMS_BEGIN,
            *items,
            writing.ITEMS_END,
        ]
        return "".join(parts)

    async def _items(self, name: str, own: str, node: str) -> list[NodeItem]:
        found: list[NodeItem] = []
        after: str | None = None
        while True:
            page = await self.node.ask(ItemsOf(name, own, node, after=after, forward=True))
            if not isinstance(page, NodeItems) or not page.items:
                return found
            found += page.items
            after = page.items[-1].item_id

    async def _offline_page(self, name: str, after: Position) -> dict[str, object]:
        rows = cast("tuple[OfflineRow, ...]", await self.node.ask(OfflinePage(name, after, PAGE_ROW_COUNT)))
        domain, epochs = self.node.domain, self.node.epochs
        xml = "".join(
            writing.offline_xml(row, f"{name}@{domain}", domain, epochs, is_archived=is_archived)
            for row, is_archived in rows
        )
        following = f"offline:{rows[-1].row.position}" if rows else "archive:0"
        return {"section": "offline", "xml": xml, "next": following}

    async def _archive_page(self, name: str, after: Position) -> dict[str, object]:
        query = ArchivePage(name, after=after, limit=PAGE_ROW_COUNT)
        page = cast("Page", await self.node.ask(query))
        rows: list[ArchiveRow] = []
        byte_count = 0
        for row in page.rows:
            byte_count += len(row.stanza)
            if rows and byte_count > EXPORT_PAGE_BYTES_MAX:
                break
            rows.append(row)
        domain, epochs = self.node.domain, self.node.epochs
        xml = "".join(writing.archived_xml(row, domain, epochs) for row in rows)
        is_last = page.complete and len(rows) == len(page.rows)
        return {"section": "archive", "xml": xml, "next": None if is_last else f"archive:{rows[-1].position}"}

    # In

    async def begin_import(self, request: Request) -> Response:
        """Make the account; its password in plain text counts only where there are no credentials."""
        body = await read_body(request, NewImport)
        if body.host != self.node.domain:
            raise Refused(
                "not-acceptable",
                "modify",
                f"The data are of {body.host}, this is {self.node.domain}: addresses in them would be wrong.",
            )
        name = prepare_username(body.name, self.node.domain)
        credentials: dict[str, Credential] = {}
        left: list[str] = []
        for xml in body.credentials:
            try:
                credential = read_credential(_element(xml))
            except NotCarried as error:
                left.append(str(error))
            else:
                credentials[credential.mechanism] = credential
        made = tuple(credentials.values())
        if not made and body.password:
            made = await derive(body.password, self.derive_credentials)
        if not made:
            left.append("no password: `raftline user passwd` sets one")
        key = command_key(_header_of(request), f"import {name}", self.entropy)
        require_done(await self.node.execute(CreateAccount(name, made), key=key))
        self.log("an account is imported for an administrator", account=name)
        return json_reply({"jid": f"{name}@{self.node.domain}", "left": left}, 201)

    async def import_pieces(self, request: Request) -> Response:
        """Put pieces into an account."""
        body = await read_body(request, Pieces, IMPORT_BODY_BYTES_MAX)
        if len(body.pieces) > PIECE_COUNT_MAX:
            raise BadRequest(413, "policy-violation", f"At most {PIECE_COUNT_MAX} pieces at once.")
        owner = JID(prepare_username(request.path_params["name"], self.node.domain), self.node.domain, "")
        await self.node.barrier()
        generation = await self._created_ms(owner.local)
        header = _header_of(request)
        done: dict[str, int] = {}
        left: list[str] = []
        kinds: list[str] = []
        work: list[Coroutine[None, None, str]] = []
        for number, piece in enumerate(body.pieces):
            try:
                action = _read(piece, owner)
            except NotCarried as error:
                left.append(str(error))
                continue
            key = command_key(header and f"{header} {number}", f"pieces {owner.local} {generation}", self.entropy)
            kinds.append(piece.kind)
            work.append(self._put(owner, action, key))
        # They begin in this order, so the log has the commands in this order.
        for kind, result in zip(kinds, await asyncio.gather(*work, return_exceptions=True), strict=True):
            if isinstance(result, BaseException):
                raise result
            if result:
                left.append(f"{kind}: {result}")
            else:
                done[kind] = done.get(kind, 0) + 1
        return json_reply({"done": done, "left": left})

    async def _created_ms(self, name: str) -> int:
        """Return when an account was made, which tells it from a former one of its name."""
        # The greatest text below the name, but for texts with a character that no name can have.
        below = f"{name[:-1]}{chr(ord(name[-1]) - 1)}\U0010ffff"
        rows = cast("list[AccountRow]", await self.node.ask(ListAccounts(after=below, limit=1)))
        if not rows or rows[0].localpart != name:
            raise Refused("item-not-found", "cancel", "There is no such account.")
        return rows[0].created_ms

    async def _put(self, owner: JID, action: Imported, key: bytes) -> str:
        """Do it; return why it cannot be, or nothing."""
        if isinstance(action, Publish):
            node = await self.node.ask(NodeOf(owner.local, str(owner), action.node))
            if isinstance(node, Rejected):
                # It would be made as contacts may read it, whatever its owner had wanted.
                return f"the node {action.node} has no configuration"
        outcome = await self.node.execute(ActForAccount(owner.local, action), key=key)
        if isinstance(outcome, Rejected):
            if isinstance(action, CreateNode) and outcome.condition == "conflict":
                return ""  # it is there already, as after a repetition
            if outcome.condition == "item-not-found":
                require_done(outcome)
            return outcome.text or outcome.condition
        require_done(outcome)
        return ""


def _read(piece: PieceBody, owner: JID) -> Imported:
    action = read_piece(piece.kind, piece.node, _element(piece.xml), owner)
    if piece.waits and isinstance(action, ImportedMessage):
        return msgspec.structs.replace(action, storage=int(Storage.ARCHIVE | Storage.OFFLINE))
    return action


def _element(xml: str) -> Element:
    received = parse_element(xml.encode(), bytes_max=2 * IMPORT_STANZA_SIZE_MAX)
    if isinstance(received, StreamFailed):
        raise NotCarried(f"XML that is not taken: {received.text or received.condition}")
    return received.element


def _header_of(request: Request) -> str | None:
    return request.headers.get(IDEMPOTENCY_HEADER)


def _is_position(text: str, *, is_needed: bool) -> bool:
    if not text:
        return not is_needed
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX and int(text) < 1 << 63
