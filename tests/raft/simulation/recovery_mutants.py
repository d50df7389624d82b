"""Cores that make one mistake when a node has lost what it had acknowledged; see `raft.simulation.mutants`."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from raftline.base.ids import LogIndex
from raftline.raft import node
from raftline.raft.election import Election
from raftline.raft.leader import Leader
from raftline.raft.messages import PreVoteRequest, VoteRequest
from raftline.raft.progress import Progress
from raftline.raft.recovery import Recovery


def votes_while_recovering(patch: pytest.MonkeyPatch) -> None:
    """Its log is compared as if nothing were missing."""

    def without_recovery(method: Any) -> Any:
        def asked(self: Election, request: VoteRequest | PreVoteRequest, *values: Any, **options: Any) -> None:
            recovery, self._recovery = self._recovery, Recovery(0)
            method(self, request, *values, **options)
            self._recovery = recovery

        return asked

    for name in ("vote_requested", "pre_vote_requested"):
        patch.setattr(Election, name, without_recovery(getattr(Election, name)))


def stands_while_recovering(patch: pytest.MonkeyPatch) -> None:
    """It stands when it may, by its membership."""
    patch.setattr(Election, "may_stand", property(lambda self: self._node_id in self._memberships.deciders))


def counts_who_recovers(patch: pytest.MonkeyPatch) -> None:
    """What a recovering node acknowledges is counted at once."""
    original = Leader._stored

    def stored(self: Leader, progress: Progress, match_index: LogIndex, now_ns: int) -> None:
        recovery_id, progress.recovery_id = progress.recovery_id, 0
        original(self, progress, match_index, now_ns)
        progress.recovery_id = recovery_id

    patch.setattr(Leader, "_stored", stored)


def keeps_the_match(patch: pytest.MonkeyPatch) -> None:
    """What was acknowledged before is still believed."""
    patch.setattr(Leader, "_note_recovery", lambda *_: None)


def knows_one_recovery_only(patch: pytest.MonkeyPatch) -> None:
    """A log that is lost again meanwhile is not noticed."""
    patch.setattr(node, "RECOVERY_ID_MAX", 2)


def recovers_by_anything(patch: pytest.MonkeyPatch) -> None:
    """Whoever has any entry from a leader has recovered."""

    def stored(self: Recovery, index: LogIndex) -> bool:
        is_end = self.is_on and index > 0
        self.id = 0 if is_end else self.id
        return is_end

    patch.setattr(Recovery, "stored", stored)


def recovers_before_durable(patch: pytest.MonkeyPatch) -> None:
    """It takes what is in memory for what is on its disk."""
    original = node.Raft.ready

    def ready(self: node.Raft) -> node.Ready:
        is_end = self._recovery.stored(self._follower.accepted_index)
        given = original(self)
        return msgspec.structs.replace(given, recovered=given.recovered or is_end)

    patch.setattr(node.Raft, "ready", ready)


def tells_nobody(patch: pytest.MonkeyPatch) -> None:
    """It keeps to itself that it recovers, and asks for the index like for any read."""

    def messages(self: node.Raft) -> node.Ready:
        given = original(self)
        told = [
            msgspec.structs.replace(message, recovery_id=0) if getattr(message, "recovery_id", 0) else message
            for message in given.messages
        ]
        for write in given.io:
            write.messages[:] = [
                msgspec.structs.replace(message, recovery_id=0) if getattr(message, "recovery_id", 0) else message
                for message in write.messages
            ]
        return msgspec.structs.replace(given, messages=told)

    original = node.Raft.ready
    patch.setattr(node.Raft, "ready", messages)
