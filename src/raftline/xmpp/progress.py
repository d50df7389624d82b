"""What a stream tells of how far its session has come, beside what its commands say."""

from __future__ import annotations

from typing import NamedTuple

from raftline.base.ids import CURSOR_START, Cursor
from raftline.machine.commands import OpenRequest
from raftline.xmpp.open_requests import OpenRequests
from raftline.xmpp.xeps.xep_0198_stream_management import StreamManagement


class Progress(NamedTuple):
    """How far a session has come; fields as in machine.commands.SessionMark."""

    inbound_count: int
    acknowledged: Cursor
    requests: tuple[OpenRequest, ...] = ()
    answered: tuple[int, ...] = ()
    roster_version: int = 0


class ProgressReports:
    """What was told last, and whether there is more to tell; arguments are the stream's own parts."""

    __slots__ = ("_management", "_reported", "_requests")

    def __init__(self, management: StreamManagement, requests: OpenRequests) -> None:
        self._management = management
        self._requests = requests
        self._reported = Progress(0, CURSOR_START)

    def take(self, handled_count: int) -> Progress | None:
        """
        Return the progress if the session's mark should move, else None; what is returned counts as told.

        Commands carry the count along; only what they do not cover is worth a mark.
        """
        management, reported = self._management, self._reported
        if not management.is_enabled:
            return None
        answered = self._requests.take_answered(management.answered) if management.is_resumable else ()
        if (
            management.acknowledged == reported.acknowledged
            and not answered
            and management.roster_version == reported.roster_version
            and (handled_count <= management.replicated_count or handled_count == reported.inbound_count)
        ):
            return None
        requests = self._requests.to_tell(handled_count)
        self._requests.told(requests)
        self._reported = Progress(handled_count, management.acknowledged, requests, answered, management.roster_version)
        return self._reported
