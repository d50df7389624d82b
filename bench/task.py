"""What the bench asks of its generator process, and what comes back: one JSON document each way."""

from __future__ import annotations

import enum
from typing import Literal

import msgspec

from bench.latency import Latency


class Kind(enum.StrEnum):
    """What the generator does."""

    REGISTER = "register"
    CHAT = "chat"
    OPEN_LOOP = "open-loop"
    ACKNOWLEDGEMENTS = "acknowledgements"
    LOGINS = "logins"
    IDLE = "idle"
    HISTORY = "history"
    ROOM = "room"
    CROWD = "crowd"
    GROUP = "group"
    SENDS = "sends"
    SENDS_OPEN = "sends-open"
    INCOMING = "incoming"


class Endpoint(msgspec.Struct, frozen=True):
    """Where a server listens for clients (STARTTLS)."""

    host: str
    port: int


Mechanism = Literal["SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN"]


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """
    What every piece of work has.

    Attributes:
        server_pids: Processes whose CPU time and memory, with all below them, are the server's.
        warm_up_s, duration_s: Time that is not measured, then time that is.
    """

    server_pids: tuple[int, ...]
    warm_up_s: float = 1.0
    duration_s: float = 8.0


class Task(Timed, frozen=True, kw_only=True):
    """
    One piece of work for the generator.

    Attributes:
        endpoints: Connections are spread over them in turn; the two of a pair are on different ones if there are two.
        mechanism: For logging in. PLAIN is used over TLS only.
        window: Messages (or page requests, logins) one pair (or client) has under way.
        rate_per_s: Of an open loop, over all pairs.
        connection_count: Idle connections, over all users in turn.
        shows_moderators_only: A room tells everyone of moderators, and of others only themselves.
        present_count: Members of a group who are there; all users are members.
        http, admin_token: Where programs of businesses speak to the server, and how its operators do.
        databases: Files of the server's in which is looked for what it stores, if it says where they are.
        page_size: Archived messages per page of history; `fill_count` are put into each archive before.
    """

    kind: Kind
    endpoints: tuple[Endpoint, ...]
    domain: str
    user_count: int
    tls: bool = False
    mechanism: Mechanism = "SCRAM-SHA-1"
    window: int = 1
    rate_per_s: float = 0.0
    body_size: int = 200
    connection_count: int = 0
    page_size: int = 50
    fill_count: int = 60
    shows_moderators_only: bool = False
    present_count: int = 0
    databases: tuple[str, ...] = ()
    http: tuple[Endpoint, ...] = ()
    admin_token: str = ""


class GroupFigures(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a group showed besides.

    Attributes:
        present_count: Members who were there.
        said: Messages, measured or not: the history of the group.
        returning: Time in which a member who comes back reads all of it; None where there is no history.
        rows_per_message, bytes_per_message: What the fullest database of the server has got by each; 0 if not known.
    """

    present_count: int
    said: int
    returning: Latency | None
    rows_per_message: float
    bytes_per_message: float


class WebhookFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What programs were told besides: `delay` is from the request of a text to the webhook that it was sent."""

    delay: Latency | None


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a piece of work showed.

    Attributes:
        count: Messages delivered (pages, logins) in the time measured; idle connections whose memory was counted.
        duration_s: The time measured.
        latency: Of a message from writing (or due time) to arrival; of an acknowledgement, a page, a login.
        server_cpu_s: CPU seconds of the server in that time.
        server_memory_bytes: The server's memory afterwards; of idle connections, what they added.
        generator_cpu_share: CPU of the generator, in cores.
        undelivered: Messages sent that had not arrived 20 s after the last was sent.
        doubled, reordered: Messages that arrived again, or after a later one of the same conversation.
        other_cpu_share: CPU of everything else on the machine meanwhile, kernel threads too, in cores.
        lag_p99_ms: How late an open loop wrote its messages.
        presence_count: Presences that everybody got, where people come and go.
        group: What else a group showed.
        webhooks: What programs of a business were told.
    """

    count: int
    duration_s: float
    server_cpu_s: float
    generator_cpu_share: float
    other_cpu_share: float = 0.0
    latency: Latency | None = None
    server_memory_bytes: int = 0
    undelivered: int = 0
    doubled: int = 0
    reordered: int = 0
    lag_p99_ms: float | None = None
    presence_count: int = 0
    group: GroupFigures | None = None
    webhooks: WebhookFigures | None = None

    @property
    def rate_per_s(self) -> float:
        """Count by time."""
        return self.count / self.duration_s

    @property
    def cpu_s_per_1000(self) -> float | None:
        """Server CPU seconds per thousand; None if nothing was counted."""
        return self.server_cpu_s / self.count * 1000 if self.count else None
