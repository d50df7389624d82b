"""`raftline user export` and `import`: one account as a file of XEP-0227, which other servers read and write."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Final
from urllib.parse import quote

from cyclopts import Parameter

from raftline.base.errors import StorageError
from raftline.cli.connection import HERE, AdminClient, Target, open_client
from raftline.cli.output import Json, print_json
from raftline.cluster.backup_file import disk_errors
from raftline.server.failures import ExitCode, Failure
from raftline.web.portability import PIECE_COUNT_MAX
from raftline.xmpp.jid import JID, parse_jid
from raftline.xmpp.portability.reader import BadFile, Piece, PortableReader, UserBegun
from raftline.xmpp.portability.reading import archive_id_of
from raftline.xmpp.portability.vocabulary import CREDENTIALS, FIRST_KINDS
from raftline.xmpp.portability.writing import USER_END, user_begin

READ_BYTES: Final = 1 << 20
BATCH_CHARACTERS: Final = 1 << 20
"""Of one request, unless a single piece is larger."""

TOLD_MAX: Final = 20
"""Sentences about what was not carried that are printed; of the others the number."""

NEVER_CARRIED: Final = (
    "login tokens and sessions, uploaded files, membership in rooms, archive preferences, subscriptions of others to"
    " the account's nodes, and the times of items"
)

_SECTIONS: Final = {
    "": ("", ""),
    "offline": ("<offline-messages>", "</offline-messages>"),
    "archive": ("<archive xmlns='urn:xmpp:pie:0#mam'>", "</archive>"),
}


def export_user(
    name: Annotated[str, Parameter(help="User name: the part of the address before the @.")],
    /,
    *,
    output: Annotated[Path, Parameter(help="The file to write; one of that name is replaced when all is there.")],
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Write all that an account keeps into a file that other servers understand (XEP-0227).

    Credentials, roster, card, private data, block list, nodes with their items, messages that wait, the archive.
    Whoever has the file can read the messages, and can guess at the password.

    Example: raftline user export anna --output anna.xml
    """
    client = open_client(target)
    path = f"/admin/v1/users/{quote(name, safe='')}/export"
    page: dict[str, Any] | None = client.request("GET", path)
    assert page is not None
    domain, localpart = page["domain"], page["name"]
    with _written(output) as stream:
        stream.write(user_begin(domain, localpart).encode())
        section, end = "", ""
        while page is not None:
            if page["section"] != section:
                section = page["section"]
                begin, following_end = _SECTIONS[section]
                stream.write(f"{end}{begin}".encode())
                end = following_end
            stream.write(page["xml"].encode())
            page = client.request("GET", f"{path}?page={quote(page['next'])}") if page["next"] else None
        stream.write(f"{end}{USER_END}".encode())
    if json:
        print_json({"file": str(output.resolve()), "jid": f"{localpart}@{domain}", "never_carried": NEVER_CARRIED})
        return
    print(f"{output}: {localpart}@{domain}. Not in it: {NEVER_CARRIED}.")


def import_user(
    *,
    input: Annotated[Path, Parameter(help="A file of XEP-0227, of this server or another one.")],  # noqa: A002
    user: Annotated[str | None, Parameter(help="Which user, if there are several in the file.")] = None,
    go_on: Annotated[bool, Parameter(help="Go on with an import that was cut short.", negative=())] = False,
    json: Json = False,
    target: Target = HERE,
) -> None:
    """
    Make an account of a file of XEP-0227; refused when there is one of its name.

    What was cut short goes on within a day with --go-on and the same file: nothing is there twice. Times of imported
    messages are kept, but they are found at the end of the archive. What cannot be taken over is told.

    Exit codes: 1 refused (there is an account of the name, another domain), 3 the file cannot be read.

    Example: raftline user import --input anna.xml
    """
    client = open_client(target)
    try:
        begun, credentials, waiting_ids, digest = _survey(input, user)
        left: list[str] = []
        if not go_on:
            made = {"name": begun.name, "host": begun.host, "password": begun.password, "credentials": credentials}
            told = client.request("POST", "/admin/v1/imports", made)
            if not json:
                print(f"Created {told['jid']}.", flush=True)
            left = told["left"]
        done: Counter[str] = Counter()
        for is_first in (True, False):
            pieces = _pieces(input, begun, waiting_ids, is_first=is_first)
            for number, batch in enumerate(_batches(pieces)):
                _send(client, begun, batch, f"{digest}-{is_first:d}-{number}", done, left)
    except BadFile as error:
        raise StorageError(f"{input}: {error}") from error
    if json:
        print_json({"jid": f"{begun.name}@{begun.host}", "done": dict(sorted(done.items())), "not_taken_over": left})
        return
    for kind, count in sorted(done.items()):
        print(f"  {count} of kind {kind}")
    for sentence in left[:TOLD_MAX]:
        print(f"  not taken over: {sentence}")
    if len(left) > TOLD_MAX:
        print(f"  and {len(left) - TOLD_MAX} more")


def _send(
    client: AdminClient, begun: UserBegun, batch: list[dict[str, Any]], key: str, done: Counter[str], left: list[str]
) -> None:
    told = client.request("POST", f"/admin/v1/users/{quote(begun.name, safe='')}/import", {"pieces": batch}, key=key)
    done.update(told["done"])
    left += told["left"]


def _survey(file: Path, user: str | None) -> tuple[UserBegun, list[str], frozenset[str], str]:
    """Read the file once: whose it is, with which credentials, which archived messages wait, and its digest."""
    users = [found for found in _found(file) if isinstance(found, UserBegun)]
    chosen = [found for found in users if user is None or found.name == user]
    if len(chosen) != 1:
        names = ", ".join(found.name for found in users[:TOLD_MAX]) or "nobody"
        raise Failure(ExitCode.USAGE, f"{file} has data of {names}: choose one with --user NAME.")
    begun = chosen[0]
    credentials: list[str] = []
    waiting_ids: set[str] = set()
    owner = _owner_of(begun)
    for piece in _pieces_of(file, begun):
        if piece.kind == CREDENTIALS:
            credentials.append(piece.element.serialize(""))
        elif piece.kind == "offline" and (archive_id := archive_id_of(piece.element, owner)):
            waiting_ids.add(archive_id)
    with disk_errors(file), file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return begun, credentials, frozenset(waiting_ids), digest


def _pieces(file: Path, begun: UserBegun, waiting_ids: frozenset[str], *, is_first: bool) -> Iterator[dict[str, Any]]:
    """Yield pieces as the interface takes them; a message that the archive has as well comes once, with its archive."""
    owner = _owner_of(begun)
    for piece in _pieces_of(file, begun):
        if piece.kind == CREDENTIALS or (piece.kind in FIRST_KINDS) is not is_first:
            continue
        if piece.kind == "offline" and archive_id_of(piece.element, owner) in waiting_ids:
            continue
        yield {
            "kind": piece.kind,
            "node": piece.node,
            "xml": piece.element.serialize(""),
            "waits": piece.kind == "archived" and (piece.element.get("id") or "") in waiting_ids,
        }


def _owner_of(begun: UserBegun) -> JID:
    try:
        return parse_jid(f"{begun.name}@{begun.host}")
    except ValueError as error:
        raise BadFile(f"{begun.name}@{begun.host} is no address: {error}") from error


def _batches(pieces: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for piece in pieces:
        if batch and (len(batch) == PIECE_COUNT_MAX or size + len(piece["xml"]) > BATCH_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(piece)
        size += len(piece["xml"])
    if batch:
        yield batch


def _pieces_of(file: Path, begun: UserBegun) -> Iterator[Piece]:
    is_theirs = False
    for found in _found(file):
        if isinstance(found, UserBegun):
            is_theirs = found == begun
        elif is_theirs:
            yield found


def _found(file: Path) -> Iterator[UserBegun | Piece]:
    reader = PortableReader()
    with disk_errors(file), file.open("rb") as stream:
        while data := stream.read(READ_BYTES):
            yield from reader.feed(data)
    yield from reader.close()


@contextmanager
def _written(path: Path) -> Iterator[IO[bytes]]:
    """Write a file that nobody else may read; it gets its name when it is whole and durable."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    with disk_errors(path):
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            draft.rename(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
