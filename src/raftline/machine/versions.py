"""
Which behaviour of apply counts.

Replicas of different releases must come to the same state, so what a release adds to apply takes effect only when all
members understand it, and then at one place in the log: the command `RaiseVersion`. A cluster begins with version 1,
whatever release it is begun with, since the first entries may be applied by any. Until the version that knows a kind of
command, apply treats it as older releases do: as unreadable.

    1   the first release
    2   nodes tell of their data and addresses, and new ones are invited
    3   publish-subscribe, rooms, archive preferences, tokens for a fast login, sessions ended by administrators, people
        who are invited
    4   businesses, stanza ids that stay when a cluster is restored

A version adds; it never takes back what an earlier one did, since logs and snapshots of it are still applied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raftline.base.errors import StorageError
from raftline.machine.outcomes import Done, Outcome

if TYPE_CHECKING:
    from raftline.machine.context import Context
    from raftline.machine.node_commands import RaiseVersion

FIRST_VERSION: Final = 1
VERSION_MAX: Final = 4
"""The latest that this release understands."""

NODE_PROFILES_SINCE: Final = 2
FEATURES_SINCE: Final = 3
"""What came with version 3; commands that it brought are named in commands.SINCE_VERSION."""
BUSINESSES_SINCE: Final = 4


class VersionNotUnderstood(StorageError):
    """The cluster has gone on without this release; it must not apply anything more."""


def require_understood(version: int) -> None:
    """
    Refuse to apply anything by rules that this release does not have.

    Raises:
        VersionNotUnderstood: The version is a later one.
    """
    if version > VERSION_MAX:
        raise VersionNotUnderstood(
            f"all members agreed on version {version} of the state machine, this release understands "
            f"{VERSION_MAX} at most: start a later release"
        )


def raise_version(context: Context, action: RaiseVersion) -> Outcome:
    """Let a later version count from the next command on; an earlier one changes nothing."""
    require_understood(action.version)
    context.machine_version = max(context.machine_version, action.version)
    return Done()
