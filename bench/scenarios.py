"""What is measured on each server: each scenario is a task for the generator, made for the server at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from bench.servers.base import DOMAIN, Running, Server
from bench.task import Kind, Mechanism, Task

PAIR_COUNT = 100
LOGIN_CLIENT_COUNT = 20
ROOM_OCCUPANT_COUNT = 100
ROOM_WINDOW = 10
CROWD_COUNT = 1000
CROWD_WINDOW = 10
GROUP_COUNT = 1000
GROUP_PRESENT_COUNT = 100
GROUP_WINDOW = 10
SENDER_COUNT = 32


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """
    How much of everything.

    Attributes:
        pair_count: Pairs who chat; twice as many users.
        idle_count: Idle connections.
        rates_per_s: Of open loops.
    """

    duration_s: float = 8.0
    warm_up_s: float = 2.0
    pair_count: int = PAIR_COUNT
    idle_count: int = 2000
    rates_per_s: tuple[int, ...] = (500, 1000)


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """
    One row of a table.

    Attributes:
        title: For people.
        unit: What is counted.
        make_task: Makes the generator's task; pids and endpoints are those of the running server.
        is_applicable: False for servers where it says nothing.
        needs_fresh_server: The server is started for this scenario alone.
        user_count: Accounts that it needs; those who chat are always there.
    """

    name: str
    title: str
    unit: str
    make_task: Callable[[Running], Task]
    is_applicable: Callable[[Server], bool] = lambda _: True
    needs_fresh_server: bool = False
    user_count: int = 0


def all_scenarios(load: Load) -> dict[str, Scenario]:
    """Return every scenario by name, in the order they run on one server."""
    return {
        scenario.name: scenario
        for scenario in (*_messages(load), *_logins(load), *_crowds(load), _group(load), *_business(load), *_idle(load))
    }


def registration(load: Load, running: Running, scenarios: Sequence[Scenario] = ()) -> Task:
    """Return the task that makes all accounts which these need."""
    task = _task(Kind.REGISTER, load, running)
    user_count = max([task.user_count, *(scenario.user_count for scenario in scenarios)])
    return msgspec.structs.replace(task, user_count=user_count)


def _messages(load: Load) -> list[Scenario]:
    scenarios = [
        Scenario(
            name=f"chat-w{window}",
            title=f"Chat of {load.pair_count} pairs, window {window}",
            unit="messages",
            make_task=partial(_task, Kind.CHAT, load, window=window),
        )
        for window in (1, 10)
    ]
    scenarios += [
        Scenario(
            name=f"open-{rate}",
            title=f"Chat of {load.pair_count} pairs, open loop at {rate} messages/s",
            unit="messages",
            make_task=partial(_task, Kind.OPEN_LOOP, load, rate_per_s=float(rate)),
        )
        for rate in load.rates_per_s
    ]
    scenarios.append(
        Scenario(
            name="acknowledgements",
            title=f"Stream management, {load.pair_count} senders: from message to acknowledgement",
            unit="messages",
            make_task=partial(_task, Kind.ACKNOWLEDGEMENTS, load),
        )
    )
    scenarios.append(
        Scenario(
            name="history",
            title="History: newest page of 50, one reader for each pair",
            unit="pages",
            make_task=partial(_task, Kind.HISTORY, load),
            is_applicable=lambda server: server.archives,
        )
    )
    scenarios.append(
        Scenario(
            name="room",
            title=f"One room of {ROOM_OCCUPANT_COUNT}, ten of them speak: copies delivered",
            unit="copies",
            make_task=lambda running: msgspec.structs.replace(
                _task(Kind.ROOM, load, running, window=ROOM_WINDOW), user_count=ROOM_OCCUPANT_COUNT
            ),
        )
    )
    return scenarios


def _logins(load: Load) -> list[Scenario]:
    mechanisms: tuple[tuple[str, Mechanism, bool], ...] = (
        ("logins-sha-1", "SCRAM-SHA-1", False),
        ("logins-sha-256", "SCRAM-SHA-256", False),
        ("logins-plain", "PLAIN", True),
    )
    return [
        Scenario(
            name=name,
            title=f"Logins by {mechanism}{' over TLS, new handshake each' if tls else ''}, "
            f"{LOGIN_CLIENT_COUNT} clients at a time",
            unit="logins",
            make_task=partial(_task, Kind.LOGINS, load, mechanism=mechanism, tls=tls, window=LOGIN_CLIENT_COUNT),
        )
        for name, mechanism, tls in mechanisms
    ]


def _crowds(load: Load) -> list[Scenario]:
    def task(running: Running, *, shows_moderators_only: bool) -> Task:
        return msgspec.structs.replace(
            _task(Kind.CROWD, load, running, window=CROWD_WINDOW),
            user_count=CROWD_COUNT,
            shows_moderators_only=shows_moderators_only,
        )

    return [
        Scenario(
            name=name,
            title=f"One room of {CROWD_COUNT:,} {showing}, {CROWD_WINDOW} come and go: times that one came in",
            unit="enterings",
            make_task=partial(task, shows_moderators_only=shows_moderators_only),
            needs_fresh_server=True,
            user_count=CROWD_COUNT,
        )
        for name, showing, shows_moderators_only in (
            ("crowd-all", "that shows everybody", False),
            ("crowd-bounded", "that shows moderators only", True),
        )
    ]


def _group(load: Load) -> Scenario:
    def task(running: Running) -> Task:
        return msgspec.structs.replace(
            _task(Kind.GROUP, load, running, window=GROUP_WINDOW),
            user_count=GROUP_COUNT,
            present_count=GROUP_PRESENT_COUNT,
            databases=running.databases,
        )

    return Scenario(
        name="group",
        title=f"One group of {GROUP_COUNT:,} members, {GROUP_PRESENT_COUNT} of them there, ten speak: copies delivered",
        unit="copies",
        make_task=task,
        needs_fresh_server=True,
        user_count=GROUP_COUNT,
    )


def _business(load: Load) -> list[Scenario]:
    def task(kind: Kind, running: Running, *, rate_per_s: float = 0.0) -> Task:
        return msgspec.structs.replace(
            _task(kind, load, running, window=SENDER_COUNT, rate_per_s=rate_per_s),
            http=running.http,
            admin_token=running.admin_token,
        )

    def scenario(name: str, title: str, unit: str, kind: Kind, rate_per_s: int = 0) -> Scenario:
        return Scenario(
            name=name,
            title=title,
            unit=unit,
            make_task=partial(task, kind, rate_per_s=float(rate_per_s)),
            is_applicable=lambda server: server.speaks_cloud_api,
            needs_fresh_server=True,
        )

    sends = f"A business sends texts by the Cloud API, {SENDER_COUNT} connections"
    return [
        scenario("business", f"{sends}, one request under way on each", "messages", Kind.SENDS),
        *(
            scenario(f"business-{rate}", f"{sends}, open loop at {rate} messages/s", "messages", Kind.SENDS_OPEN, rate)
            for rate in load.rates_per_s
        ),
        *(
            scenario(
                f"incoming-{rate}",
                f"Users write to a business, {rate} messages/s: webhooks",
                "webhooks",
                Kind.INCOMING,
                rate,
            )
            for rate in load.rates_per_s
        ),
    ]


def _idle(load: Load) -> list[Scenario]:
    return [
        Scenario(
            name="idle-tls" if tls else "idle-plain",
            title=f"{load.idle_count} idle connections, available, {'TLS' if tls else 'plain'}",
            unit="connections",
            make_task=partial(_task, Kind.IDLE, load, tls=tls, connection_count=load.idle_count),
            needs_fresh_server=True,
        )
        for tls in (False, True)
    ]


def _task(
    kind: Kind,
    load: Load,
    running: Running,
    *,
    window: int = 1,
    rate_per_s: float = 0.0,
    mechanism: Mechanism | None = None,
    tls: bool = False,
    connection_count: int = 0,
) -> Task:
    return Task(
        kind=kind,
        endpoints=running.endpoints,
        domain=DOMAIN,
        server_pids=running.pids,
        user_count=2 * load.pair_count,
        tls=tls,
        mechanism=mechanism or "SCRAM-SHA-1",
        window=window,
        rate_per_s=rate_per_s,
        warm_up_s=load.warm_up_s,
        duration_s=load.duration_s,
        connection_count=connection_count,
    )
