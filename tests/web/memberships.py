"""The HTTP application of a node that knows who belongs to its cluster: in memory, with faults at will."""

from __future__ import annotations

from pathlib import Path

from raftline.base.errors import RaftlineError
from raftline.web.admin import Admin
from raftline.web.membership import Invitation, InvitingNode, Membership
from web.application import TOKEN, Application, derive

INVITED = 4
MEMBER = InvitingNode(1, "one.example.org", 5269, "ab" * 32, "https://one.example.org:5443", "one.example.org:5222")
INVITATION = Invitation(
    node_id=INVITED, token="cd" * 32, cluster_id="a cluster", epoch=3, domain="example.org", members=(MEMBER,)
)


class MembershipApplication(Application):
    """
    An application with the endpoints of membership.

    Attributes:
        failures: Raised by the changes to come instead of doing anything, the first one first.
        invitations: Whom each invited node replaces, and for how many milliseconds its token is good.
        removed, drained: What was asked for.
        statuses: Answers to the next questions for the state of the cluster, or errors; after the last, `status`.
    """

    def __init__(self, static_directory: Path) -> None:
        self.failures: list[RaftlineError] = []
        self.invitations: list[tuple[int | None, int]] = []
        self.removed: list[int] = []
        self.drained: list[tuple[int, bool]] = []
        self.statuses: list[object] = []
        self.status_count = 0
        super().__init__(static_directory)
        membership = Membership(lambda: frozenset({1, 2, 3}), self._invite, self._remove, self._drain)
        guard = Admin(self.door, TOKEN, self._status, derive, self._draw).guarded
        # Before the page's own routes, of which the last takes every path.
        self.app.router.routes[:0] = membership.routes(guard)

    async def _status(self) -> object:
        self.status_count += 1
        answer = self.statuses.pop(0) if self.statuses else self.status
        if isinstance(answer, RaftlineError):
            raise answer
        return answer

    async def _invite(self, replaces: int | None, lifetime_ms: int) -> Invitation:
        self._fail_if_due()
        self.invitations.append((replaces, lifetime_ms))
        return INVITATION

    async def _remove(self, node_id: int) -> None:
        self._fail_if_due()
        self.removed.append(node_id)

    def _drain(self, node_id: int, is_drained: bool) -> None:
        self._fail_if_due()
        self.drained.append((node_id, is_drained))

    def _fail_if_due(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
