"""The simulated network carries bytes as TCP does, and fails as networks do."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from sim.clocks import NodeClock
from sim.connections import End
from sim.loop import SimulatedLoop
from sim.network import USER_TIMEOUT_NS, Host, Network
from sim.scheduler import MILLISECOND_NS, SECOND_NS, Scheduler

PORT = 7


class Recorder(asyncio.Protocol):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.data = b""
        self.chunks = 0
        self.ended: list[BaseException | None] = []
        self.is_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.chunks += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.append(exc)

    def pause_writing(self) -> None:
        self.is_paused = True

    def resume_writing(self) -> None:
        self.is_paused = False


class Machines:
    """Two machines, a process on each, and at first a listener on the second."""

    def __init__(self) -> None:
        self.scheduler = Scheduler()
        self.errors: list[dict[str, Any]] = []
        self.network = Network(self.scheduler, random.Random(1))
        self.hosts = [self.network.add_host(number, f"node-{number}") for number in (1, 2)]
        self.loops = [self.process(host) for host in self.hosts]
        self.accepted: list[Recorder] = []
        self.server = self.listen()

    def process(self, host: Host) -> SimulatedLoop:
        return SimulatedLoop(
            self.scheduler,
            NodeClock(self.scheduler, random.Random(host.number)),
            name=host.name,
            iteration_ns=1000,
            on_error=self.errors.append,
            network=self.network,
            host=host,
        )

    def listen(self, *, tls: bool = True) -> Any:
        def accept() -> Recorder:
            self.accepted.append(Recorder())
            return self.accepted[-1]

        return self.run(self.loops[1].create_server(accept, "node-2", PORT, ssl=tls or None), self.loops[1])

    def run(self, work: Any, loop: SimulatedLoop | None = None, seconds: float = 30.0) -> Any:
        task = (loop or self.loops[0]).create_task(work)
        assert self.scheduler.run_until(task.done, for_ns=int(seconds * SECOND_NS)), "it did not end"
        return task.result()

    def connect(self, *, tls: bool = True) -> Recorder:
        _, protocol = self.run(self.loops[0].create_connection(Recorder, "node-2", PORT, ssl=tls or None))
        self.pass_time(0.01)
        return protocol

    def pass_time(self, seconds: float) -> None:
        self.scheduler.run_for(int(seconds * SECOND_NS))
        assert not self.errors, self.errors

    def cut(self, *directions: tuple[int, int]) -> None:
        for source, target in directions:
            self.network.cut(self.hosts[source], self.hosts[target])


BOTH = ((0, 1), (1, 0))


@pytest.fixture
def machines() -> Machines:
    return Machines()


class TestConnections:
    """While nothing fails."""

    @pytest.mark.parametrize("tls", [True, False])
    def test_bytes_arrive_in_order_and_in_other_pieces(self, machines: Machines, tls: bool) -> None:
        """Whatever was written is read, the boundaries are not."""
        machines.server.close()
        machines.listen(tls=tls)
        client = machines.connect(tls=tls)
        written = b""
        for number in range(2000):
            data = b"%d," % number * (number % 50)
            client.transport.write(data)
            written += data
            if number % 100 == 0:
                machines.pass_time(0.001)
        machines.pass_time(1)
        server = machines.accepted[-1]
        assert server.data == written
        assert 1 < server.chunks < 2000

    def test_both_sides_know_each_other(self, machines: Machines) -> None:
        """By certificate and address, as nodes ask for them."""
        client = machines.connect()
        server = machines.accepted[0]
        certificate = server.transport.get_extra_info("ssl_object").getpeercert()
        assert certificate["subject"] == ((("commonName", "1"),),)
        assert client.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        assert client.transport.get_extra_info("peername") == ("node-2", PORT)
        client.transport.get_extra_info("socket").setsockopt(1, 2, 3)

    def test_nobody_listens(self, machines: Machines) -> None:
        """The machine refuses, in a round trip."""
        machines.server.close()
        with pytest.raises(ConnectionRefusedError):
            machines.connect()
        assert machines.scheduler.now_ns < SECOND_NS

    def test_a_port_is_taken_once(self, machines: Machines) -> None:
        """Until it is closed."""
        with pytest.raises(OSError, match="in use"):
            machines.listen()
        machines.server.close()
        machines.listen()

    def test_closing_lets_what_was_written_arrive(self, machines: Machines) -> None:
        """Then both sides learn of the end, without an error."""
        client = machines.connect()
        data = bytes(3 << 20)
        client.transport.write(data)
        client.transport.close()
        client.transport.write(b"too late")
        machines.pass_time(5)
        assert machines.accepted[0].data == data
        assert machines.accepted[0].ended == client.ended == [None]

    def test_aborting_tells_the_other_side(self, machines: Machines) -> None:
        """At once, and with an error."""
        client = machines.connect()
        client.transport.abort()
        machines.pass_time(0.1)
        assert client.ended == [None]
        assert isinstance(machines.accepted[0].ended[0], ConnectionResetError)

    def test_what_nobody_reads_fills_up(self, machines: Machines) -> None:
        """First the kernels, then the writer's own memory, which is told to stop and later to go on."""
        client = machines.connect()
        server = machines.accepted[0]
        server.transport.pause_reading()
        client.transport.write(bytes(8 << 20))
        machines.pass_time(1)
        assert client.is_paused
        assert client.transport.get_write_buffer_size() > 4 << 20
        assert server.data == b""
        server.transport.resume_reading()
        machines.pass_time(2)
        assert len(server.data) == 8 << 20
        assert not client.is_paused
        assert client.transport.get_write_buffer_size() == 0

    def test_bandwidth_and_latency(self, machines: Machines) -> None:
        """A megabyte at a microsecond per byte takes a second, and what comes first does not wait for it."""
        link = machines.network.link(*machines.hosts)
        link.byte_ns, link.latency_ns = 1000.0, 50 * MILLISECOND_NS
        client = machines.connect()
        machines.pass_time(0.2)
        client.transport.write(bytes(1 << 20))
        machines.pass_time(0.5)
        assert 0 < len(machines.accepted[0].data) < 1 << 20
        machines.pass_time(1)
        assert len(machines.accepted[0].data) == 1 << 20

    def test_a_paused_process_is_not_dead(self, machines: Machines) -> None:
        """Its kernel takes connections and data; it finds them when it wakes."""
        client = machines.connect()
        machines.loops[1].pause(machines.scheduler.now_ns + 8 * SECOND_NS)
        client.transport.write(b"hello")
        second = machines.loops[0].create_task(machines.loops[0].create_connection(Recorder, "node-2", PORT, ssl=True))
        machines.pass_time(7)
        assert machines.accepted[0].data == b""
        assert client.ended == []
        assert not second.done()
        machines.pass_time(2)
        assert machines.accepted[0].data == b"hello"
        assert second.done()


class TestFailures:
    """Deaths, cuts and flaps."""

    def test_a_process_that_dies_has_sent_what_its_kernel_has(self, machines: Machines) -> None:
        """Then its connections end; what was in its own memory is gone."""
        client = machines.connect()
        client.transport.write(b"last words")
        machines.loops[0].kill()
        machines.network.process_died(machines.hosts[0])
        machines.pass_time(0.1)
        assert machines.accepted[0].data == b"last words"
        assert len(machines.accepted[0].ended) == 1
        assert client.ended == []

    def test_a_dead_process_sends_nothing(self, machines: Machines) -> None:
        """Whatever its leftovers write."""
        client = machines.connect()
        machines.loops[0].kill()
        client.transport.write(b"ghost")
        machines.network.process_died(machines.hosts[0])
        client.transport.write(b"ghost")
        machines.pass_time(0.1)
        assert machines.accepted[0].data == b""

    def test_power_failure_is_silent(self, machines: Machines) -> None:
        """The other side finds out by itself, after the user timeout."""
        client = machines.connect()
        machines.loops[1].kill()
        machines.network.power_failed(machines.hosts[1])
        machines.pass_time(4)
        assert client.ended == []
        machines.pass_time(4)
        assert isinstance(client.ended[0], TimeoutError)

    def test_a_machine_that_is_back_knows_of_no_connection(self, machines: Machines) -> None:
        """It says so soon, and takes new ones."""
        client = machines.connect()
        machines.loops[1].kill()
        machines.network.power_failed(machines.hosts[1])
        machines.pass_time(0.5)
        machines.network.powered_on(machines.hosts[1])
        machines.loops[1] = machines.process(machines.hosts[1])
        machines.listen()
        machines.pass_time(3)
        assert isinstance(client.ended[0], ConnectionResetError)
        machines.connect()

    def test_a_machine_without_power_is_dialled_in_vain(self, machines: Machines) -> None:
        """Until somebody gives up, or it is back."""
        machines.network.power_failed(machines.hosts[1])

        async def dial() -> None:
            async with asyncio.timeout(3):
                await machines.loops[0].create_connection(Recorder, "node-2", PORT, ssl=True)

        with pytest.raises(TimeoutError):
            machines.run(dial())
        assert not machines.hosts[0].ends

    def test_a_short_cut_only_delays(self, machines: Machines) -> None:
        """What waited arrives in order, and the connection lives."""
        client = machines.connect()
        machines.cut(*BOTH)
        client.transport.write(b"one")
        machines.pass_time(1)
        client.transport.write(b"two")
        machines.pass_time(2)
        assert machines.accepted[0].data == b""
        machines.network.heal_all()
        machines.pass_time(1)
        assert machines.accepted[0].data == b"onetwo"
        machines.pass_time(20)
        assert client.ended == []

    @pytest.mark.parametrize("directions", [BOTH, ((0, 1),), ((1, 0),)], ids=["both", "there", "back"])
    @pytest.mark.parametrize("is_quiet", [True, False])
    def test_a_long_cut_resets_both_ends(
        self, machines: Machines, directions: tuple[tuple[int, int], ...], is_quiet: bool
    ) -> None:
        """After five to seven seconds, with data under way or without, whichever direction is cut."""
        client = machines.connect()
        machines.cut(*directions)
        if not is_quiet:
            client.transport.write(b"hello")
        machines.pass_time(USER_TIMEOUT_NS / SECOND_NS - 0.5)
        assert client.ended == machines.accepted[0].ended == []
        machines.pass_time(3)
        assert len(client.ended) == len(machines.accepted[0].ended) == 1
        assert machines.accepted[0].data == (b"" if is_quiet or (0, 1) in directions else b"hello")

    def test_an_end_that_was_reset_during_a_cut(self, machines: Machines) -> None:
        """Tells the other one when it can."""
        client = machines.connect()
        machines.cut(*BOTH)
        end: End = client.transport
        end.abort()
        machines.pass_time(1)
        assert machines.accepted[0].ended == []
        machines.network.heal_all()
        machines.pass_time(1)
        assert len(machines.accepted[0].ended) == 1

    def test_dialling_through_a_cut(self, machines: Machines) -> None:
        """Succeeds once it has healed."""
        machines.cut(*BOTH)
        dial = machines.loops[0].create_task(machines.loops[0].create_connection(Recorder, "node-2", PORT, ssl=True))
        machines.pass_time(2)
        assert not dial.done()
        machines.network.heal_all()
        machines.pass_time(5)
        assert dial.done()
        assert not dial.exception()

    def test_a_flap_ends_connections_at_both_ends(self, machines: Machines) -> None:
        """New ones can be made at once."""
        client = machines.connect()
        machines.network.flap(*machines.hosts)
        machines.pass_time(0.1)
        assert len(client.ended) == len(machines.accepted[0].ended) == 1
        machines.connect()
