"""
Names under which the outside knows businesses: digits for what Meta calls nodes of its graph, BSUIDs for people. Pure.

The first digit of a graph id tells what it names, so that `/vN.N/ID` needs no look-up to know what it speaks of:

    1…  an application    2…  a business ("WABA")    3…  a number    4…  a file    5…  a template

A file is named by its upload's token, so nothing has to be kept. A BSUID is made of the account's id, which is never
used twice; the letters in front are told by the number and are for people alone.
"""

from __future__ import annotations

import enum
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from raftline.base.ids import AccountId, Epochs, Position, format_stanza_id, parse_stanza_id
from raftline.base.limits import UPLOAD_TOKEN_SIZE

_WIDTH: Final = 14
_TOKEN_WIDTH: Final = len(str((1 << (8 * UPLOAD_TOKEN_SIZE)) - 1))
_BSUID: Final = re.compile(r"[A-Z]{2}\.(1[0-9]{16,18})")
_BSUID_BASE: Final = 10**16
_WAMID: Final = "wamid."
_GROUP: Final = "g_"


class GraphKind(enum.IntEnum):
    """What a graph id names; its first digit."""

    APP = 1
    BUSINESS = 2
    NUMBER = 3
    FILE = 4
    TEMPLATE = 5


def graph_id(kind: GraphKind, number: int) -> str:
    """Write the id of an application, a business, a number or a template."""
    return f"{kind:d}{number:0{_WIDTH}d}"


def parse_graph_id(text: str) -> tuple[GraphKind, int] | None:
    """Read a graph id back, but for those of files; None for anything else."""
    if len(text) != _WIDTH + 1 or not (text.isascii() and text.isdigit()) or text[0] not in "1235":
        return None
    return GraphKind(int(text[0])), int(text[1:])


def media_id(token: bytes) -> str:
    """Write the id of an uploaded file."""
    return f"{GraphKind.FILE:d}{int.from_bytes(token):0{_TOKEN_WIDTH}d}"


def parse_media_id(text: str) -> bytes | None:
    """Return the upload's token that an id of a file stands for; None for anything else."""
    if len(text) != _TOKEN_WIDTH + 1 or not (text.isascii() and text.isdigit()) or text[0] != "4":
        return None
    number = int(text[1:])
    return number.to_bytes(UPLOAD_TOKEN_SIZE) if number < 1 << (8 * UPLOAD_TOKEN_SIZE) else None


def bsuid(country: str, account_id: AccountId) -> str:
    """Write the BSUID of an account; `country` is two capital letters, `ZZ` for none."""
    return f"{country}.{_BSUID_BASE + account_id}"


def parse_bsuid(text: str) -> AccountId | None:
    """Return the account that a BSUID names, whatever its country; None for anything else."""
    match = _BSUID.fullmatch(text)
    return None if match is None else AccountId(int(match[1]) - _BSUID_BASE)


def wamid(epochs: Epochs, position: Position) -> str:
    """Write the id of a message as the Cloud API has it: its stanza id in other clothes."""
    return _WAMID + urlsafe_b64encode(format_stanza_id(epochs, position).encode()).decode().rstrip("=")


def parse_wamid(text: str) -> tuple[int, Position] | None:
    """Return epoch and position of a message; None for what this cluster did not write."""
    found = _decode(text.removeprefix(_WAMID)) if text.startswith(_WAMID) else None
    return None if found is None else parse_stanza_id(found)


def group_id(room: str) -> str:
    """Write the id of a group, given the local part of its room; it never looks like a number."""
    return _GROUP + urlsafe_b64encode(room.encode()).decode().rstrip("=")


def parse_group_id(text: str) -> str | None:
    """Return the local part of a room; None for what is no id of a group."""
    return _decode(text.removeprefix(_GROUP)) if text.startswith(_GROUP) else None


def _decode(text: str) -> str | None:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:  # not base64, or no text
        return None
