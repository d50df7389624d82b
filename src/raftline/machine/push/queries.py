"""Questions of the publisher (node/publisher.py); see machine/queries.py."""

from __future__ import annotations

from raftline.machine.queries import Query


class PushServices(Query, frozen=True, array_like=True, tag=113):
    """Answer: `tuple[str, ...]`, services that something waits for, sorted, after one, at most `limit`."""

    after: str = ""
    limit: int = 100


class PushNotifications(Query, frozen=True, array_like=True, tag=114):
    """
    Answer: `list[WaitingNotification]`, what may be published to a service now, the oldest first, at most `limit`.

    Attributes:
        now_ms: Cluster time as it is now, were there an entry.
        with_message: Fetch the messages as well.
    """

    service: str
    now_ms: int
    limit: int
    with_message: bool = False
