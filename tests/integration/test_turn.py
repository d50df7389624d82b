"""
Credentials of XEP-0215 against coturn: a client asks a node that is not the leader, and relays data with what it gets.

coturn is not a part of the test suite's own installation: without Debian's package the test skips by name, or fails
where all tests are required.
"""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import pytest_asyncio

from debian import program
from integration.cluster_process import Cluster, wait_until
from integration.xmpp_raw import RawClient, register

pytestmark = pytest.mark.timeout(120)

NS_SERVICES = "urn:xmpp:extdisco:2"
PASSWORD = "call-me"
SECRET = "known-to-both"
HOST = "127.0.0.1"
MESSAGE_COUNT = 5
START_TIMEOUT_S = 20
RELAY_TIMEOUT_S = 40


def free_port() -> int:
    """Pick a UDP port that nobody has now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@pytest_asyncio.fixture
async def turn_port(tmp_path: Path) -> AsyncIterator[int]:
    """A TURN server on loopback that shares the secret; its port."""
    server, port = program("turnserver", "coturn"), free_port()
    options = [
        *("-n", "--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=localhost", "--fingerprint"),
        *(f"--listening-ip={HOST}", f"--relay-ip={HOST}", f"--listening-port={port}", "--allow-loopback-peers"),
        *("--no-tls", "--no-dtls", "--no-cli", "--log-file=stdout", "--simple-log", f"--userdb={tmp_path / 'turn.db'}"),
        f"--pidfile={tmp_path / 'turn.pid'}",
    ]
    with (tmp_path / "turn.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            server, *options, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        await wait_until("the TURN server answers", lambda: answers_binding(port), START_TIMEOUT_S)
        yield port
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), START_TIMEOUT_S)


async def answers_binding(port: int) -> bool:
    """Send a binding request of STUN (RFC 8489 section 6) and look for its success."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendto(probe, bytes.fromhex("000100002112a442") + b"transaction!", (HOST, port))
        try:
            async with asyncio.timeout(0.5):
                answer = await loop.sock_recv(probe, 1500)
        except (TimeoutError, OSError):
            return False
    return answer[:2] == b"\x01\x01"


@pytest_asyncio.fixture
async def calling_cluster(
    cluster_folder: Path, turn_port: int, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Cluster]:
    """Three nodes that offer the TURN server."""
    secret = cluster_folder / "turn.secret"
    secret.write_text(f"{SECRET}\n", encoding="utf-8")
    services = ", ".join(f'{{type = "{kind}", host = "{HOST}", port = {turn_port}}}' for kind in ("stun", "turn"))
    monkeypatch.setenv("RAFTLINE_TURN__SECRET_FILE", str(secret))
    monkeypatch.setenv("RAFTLINE_TURN__SERVICES", f"[{services}]")
    async with Cluster(cluster_folder) as running:
        yield running


async def relay(port: int, username: str, password: str) -> tuple[int, str]:
    """Have coturn's own client send messages between two allocations; return how many came, and what it said."""
    client = program("turnutils_uclient", "coturn")
    arguments = ["-y", "-c", "-m", "1", "-n", str(MESSAGE_COUNT), "-p", str(port), "-u", username, "-w", password, HOST]
    done = await asyncio.to_thread(
        subprocess.run, [client, *arguments], capture_output=True, text=True, timeout=RELAY_TIMEOUT_S, check=False
    )
    said = done.stdout + done.stderr
    received = re.findall(r"tot_recv_msgs=(\d+)", said)
    return (int(received[-1]) if received else 0), said


def service_of(answer: ET.Element, kind: str) -> ET.Element:
    """Find a service in an answer."""
    for service in answer.iter(f"{{{NS_SERVICES}}}service"):
        if service.get("type") == kind:
            return service
    raise AssertionError(ET.tostring(answer))


async def test_a_turn_server_takes_the_credentials(calling_cluster: Cluster, turn_port: int) -> None:
    """Those of both requests relay; a password that was changed, or is another's, does not."""
    leader = await calling_cluster.leader()
    node_id = next(node_id for node_id in calling_cluster.node_ids if node_id != leader)
    port = calling_cluster.node(node_id).xmpp
    await register(port, "anna", PASSWORD)
    async with RawClient() as anna:
        await anna.log_in(port, "anna", PASSWORD)
        told = await anna.ask("get", f"<services xmlns='{NS_SERVICES}'/>", "localhost")
        assert service_of(told, "stun").get("username") is None
        turn = service_of(told, "turn")
        assert (turn.get("host"), turn.get("port"), turn.get("restricted")) == (HOST, str(turn_port), "true")
        asked = await anna.ask(
            "get",
            f"<credentials xmlns='{NS_SERVICES}'><service host='{HOST}' type='turn'/></credentials>",
            "localhost",
        )
        again = service_of(asked, "turn")
    for service in (turn, again):
        username, password = service.get("username", ""), service.get("password", "")
        assert username.endswith(":anna")
        count, said = await relay(turn_port, username, password)
        assert count >= MESSAGE_COUNT, said
    count, said = await relay(turn_port, username.replace("anna", "bert"), password)
    assert count == 0, said
    other = "b" if password[0] == "a" else "a"
    count, said = await relay(turn_port, username, other + password[1:])
    assert count == 0, said
