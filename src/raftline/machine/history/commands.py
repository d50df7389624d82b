"""Commands of archives, and parts of older commands that came with them."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from raftline.base.limits import REPORT_MESSAGE_COUNT_MAX, RETRACTED_MESSAGE_COUNT_MAX
from raftline.machine.tables import NATURAL


class ArchivePolicy(enum.IntEnum):
    """What is archived of messages with whoever no rule names (XEP-0441 section 2.1.1)."""

    ALWAYS = 1
    NEVER = 2
    ROSTER = 3
    """Those with contacts of the roster."""


class SetArchivePreferences(msgspec.Struct, frozen=True, array_like=True, tag=85):
    """
    Replace the preferences of the session's account (XEP-0441 section 2.1). Machine version 3.

    Refused with `resource-constraint` for too many addresses.

    Attributes:
        always, never: Full or bare JIDs. An address in both is never archived.
    """

    policy: ArchivePolicy
    always: tuple[str, ...]
    never: tuple[str, ...]


class Retraction(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Messages that a message takes back (XEP-0424).

    Attributes:
        positions: Of the messages. What is not its sender's, or not there, is left alone.
        head, tail: What takes the place of their content: XML that is well-formed with a DateTime between the two.
    """

    positions: Annotated[tuple[Annotated[int, NATURAL], ...], msgspec.Meta(max_length=RETRACTED_MESSAGE_COUNT_MAX)]
    head: bytes
    tail: bytes


class ReportConsent(enum.IntFlag):
    """What a reporter agrees to (XEP-0377 section 5)."""

    ORIGIN = 1
    """The report may be sent to the domain that the messages came from."""
    THIRD_PARTY = 2
    """It may be sent to services that collect such reports."""


class Report(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Why an address is blocked, for the operators (XEP-0377).

    Attributes:
        messages: Positions of the messages it is about.
        consents: Sum of `ReportConsent` flags.
    """

    jid: str
    reason: str
    text: str
    messages: Annotated[tuple[Annotated[int, NATURAL], ...], msgspec.Meta(max_length=REPORT_MESSAGE_COUNT_MAX)]
    consents: Annotated[int, NATURAL]


class CloseReport(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=167):
    """
    An operator is done with a report. Machine version 3.

    Refused with `item-not-found` for one that is not there, or was closed before.
    """

    position: Annotated[int, NATURAL]
    number: Annotated[int, NATURAL]
