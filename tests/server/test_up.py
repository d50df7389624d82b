"""Whole clusters and single nodes as processes: start, death, return, end."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
from pathlib import Path

import httpx2
import pytest
import websockets

from server.node_commands import (
    Commands,
    Running,
    commands,
    description,
    free_base_port,
    get,
    is_alive,
    pids,
    until,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


async def start_cluster(started: Commands, data: Path, nodes: int) -> Running:
    """Run `raftline up` until it says what to open."""
    base_port = str(free_base_port(nodes))
    options = ("--open-registration", "--allow-plaintext", "--base-port", base_port, "--nodes", str(nodes))
    up = await started.start("up", "--data", str(data), *options)
    await up.says("Ctrl-C stops all nodes.")
    return up


async def status(started: Commands, data: Path) -> dict[int, bool]:
    """Return which node is reachable."""
    code, said = await started.run("cluster", "status", "--json", "--data", str(data))
    assert code == 0, said
    return {node["id"]: node["reachable"] for node in json.loads(said)["nodes"]}


async def register(http_port: int, name: str) -> int:
    """Register by the endpoint of the page."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        body = {"username": name, "password": "secret"}
        return (await client.post(f"http://127.0.0.1:{http_port}/client/register", json=body)).status_code


async def test_a_killed_node_stays_down_until_it_is_started(tmp_path: Path) -> None:
    """Three nodes are ready; one is killed and stays down; `node start` brings it back; SIGINT ends the rest."""
    data = tmp_path / "data"
    async with commands(tmp_path) as started:
        up = await start_cluster(started, data, 3)
        before = pids(data)
        assert all(is_alive(pid) for pid in before)
        for node in description(data)["nodes"]:
            reply = await get(node["http"], "/readyz")
            assert reply is not None
            assert reply.status_code == 200

        os.kill(before[1], signal.SIGKILL)
        await up.says(f"raftline node start 2 --data {data}")
        assert "was ended by SIGKILL" in up.said
        assert await status(started, data) == {1: True, 2: False, 3: True}

        back = await started.start("node", "start", "2", "--data", str(data))
        await back.says("ready")
        after = pids(data)
        assert after == [before[0], back.process.pid, before[2]]
        assert await status(started, data) == {1: True, 2: True, 3: True}

        assert await up.ends(signal.SIGINT) == 0
        assert [is_alive(pid) for pid in after] == [False, True, False]
        assert await back.ends(signal.SIGTERM) == 0
        assert "Traceback" not in up.said + back.said


async def test_children_end_with_their_parent(tmp_path: Path) -> None:
    """SIGKILL to `raftline up` leaves no node behind."""
    data = tmp_path / "data"
    async with commands(tmp_path) as started:
        up = await start_cluster(started, data, 3)
        children = pids(data)
        assert await up.ends(signal.SIGKILL) == -signal.SIGKILL
        await until("all children gone", lambda: not any(is_alive(pid) for pid in children))


async def test_a_cluster_goes_on_where_it_ended(tmp_path: Path) -> None:
    """A second `up` on a directory has accounts, token and identity of the first; another size is refused."""
    data = tmp_path / "data"
    async with commands(tmp_path) as started:
        up = await start_cluster(started, data, 1)
        first = description(data)
        token = (data / "admin.token").read_text(encoding="utf-8").strip()
        assert first["admin_token"] == token
        http = first["nodes"][0]["http"]
        assert await register(http, "anna") == 201
        assert await up.ends(signal.SIGTERM) == 0

        code, said = await started.run("up", "--data", str(data), "--nodes", "3")
        assert code == 2
        assert "was made with 1" in said

        up = await started.start("up", "--data", str(data), "--allow-plaintext")
        await up.says("Ctrl-C stops all nodes.")
        second = description(data)
        assert second["nodes"][0].pop("pid") != first["nodes"][0].pop("pid")
        assert second == first
        code, said = await started.run("user", "list", "--data", str(data))
        assert "anna@localhost" in said
        assert await register(http, "bert") == 403
        assert await up.ends(signal.SIGINT) == 0


async def test_a_directory_has_one_user_at_a_time(tmp_path: Path) -> None:
    """A second `up` and a second process of a node are refused with exit code 5, and disturb nothing."""
    data = tmp_path / "data"
    async with commands(tmp_path) as started:
        up = await start_cluster(started, data, 1)
        before = description(data)
        for arguments in (("up",), ("node", "start", "1")):
            code, said = await started.run(*arguments, "--data", str(data))
            assert code == 5
            assert "in use by process" in said
        assert description(data) == before
        assert await register(before["nodes"][0]["http"], "anna") == 201
        assert await up.ends(signal.SIGINT) == 0


@pytest.mark.parametrize("offset", [0, 1, 2, 3])
async def test_a_taken_port_is_named(tmp_path: Path, offset: int) -> None:
    """Exit code 4 and the port, for each listener, by `up` before it starts anything and by a node itself."""
    data = tmp_path / "data"
    base_port = free_base_port(1)
    options = ("--nodes", "1", "--data", str(data), "--base-port", str(base_port), "--allow-plaintext")
    with socket.socket() as other:
        other.bind(("127.0.0.1", base_port + offset))
        other.listen()
        async with commands(tmp_path) as started:
            code, said = await started.run("up", *options)
            assert code == 4
            assert f"Port {base_port + offset}" in said
            assert not (data / "node1" / "data" / "log").exists()
            code, said = await started.run("node", "run", "--config", str(data / "node1" / "node.toml"))
            assert code == 4
            assert f"127.0.0.1:{base_port + offset} is in use" in said
            assert "Traceback" not in said


async def test_a_node_without_a_majority_waits_and_says_so(tmp_path: Path) -> None:
    """Alive but not ready, with the reason; it takes no accounts; SIGTERM ends it in order all the same."""
    data = tmp_path / "data"
    async with commands(tmp_path) as started:
        up = await start_cluster(started, data, 3)
        assert await up.ends(signal.SIGINT) == 0
        port = description(data)["nodes"][0]["http"]
        alone = await started.start("node", "start", "1", "--data", str(data))
        await alone.says("waiting for a majority")
        alive = await get(port, "/healthz")
        ready = await get(port, "/readyz")
        assert alive is not None
        assert ready is not None
        assert (alive.status_code, ready.status_code) == (200, 503)
        assert ready.json()["reason"]
        assert await register(port, "anna") == 503
        assert await status(started, data) == {1: True, 2: False, 3: False}
        assert await alone.ends(signal.SIGTERM) == 0


async def test_a_node_that_cannot_start_says_why_in_a_sentence(tmp_path: Path) -> None:
    """Missing files are exit code 2 with the setting, foreign or damaged data exit code 3; no stack trace."""
    data = tmp_path / "data"
    async with commands(tmp_path) as started:
        up = await start_cluster(started, data, 1)
        assert await up.ends(signal.SIGINT) == 0
        file = data / "node1" / "node.toml"
        text = file.read_text(encoding="utf-8")
        for path, old in (("tls", "node1.pem"), ("tls.certificate_file", "server.pem"), ("admin", "admin.token")):
            file.write_text(text.replace(old, "missing"), encoding="utf-8")
            code, said = await started.run("node", "run", "--config", str(file))
            assert code == 2, said
            assert path in said
            assert "Traceback" not in said
        cluster_id = json.loads((data / "development.json").read_text(encoding="utf-8"))["cluster_id"]
        file.write_text(text.replace(cluster_id, "another"), encoding="utf-8")
        code, said = await started.run("node", "run", "--config", str(file))
        assert code == 3, said
        assert "Traceback" not in said
        file.write_text(text, encoding="utf-8")
        database = data / "node1" / "data" / "state.db"
        database.write_bytes(b"no database" * 1_000)
        code, said = await started.run("node", "run", "--config", str(file))
        assert code == 3, said
        assert str(database) in said
        assert "Traceback" not in said


async def test_a_cluster_with_tls_serves_no_plain_text(tmp_path: Path) -> None:
    """Without --allow-plaintext commands and WebSockets go over TLS, plain HTTP gets no answer; an end is announced."""
    data = tmp_path / "data"
    async with commands(tmp_path) as started:
        base_port = free_base_port(1)
        up = await started.start("up", "--nodes", "1", "--data", str(data), "--base-port", str(base_port))
        await up.says("Ctrl-C stops all nodes.")
        assert f"https://127.0.0.1:{base_port + 2}" in up.said
        assert await status(started, data) == {1: True}
        assert await get(base_port + 2, "/healthz") is None

        trust = ssl.create_default_context(cafile=description(data)["ca"])
        url = f"wss://127.0.0.1:{base_port + 2}/xmpp-websocket"
        async with websockets.connect(url, subprotocols=[websockets.Subprotocol("xmpp")], ssl=trust) as socket:
            assert socket.subprotocol == "xmpp"
            await socket.send("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>")
            assert "<open" in str(await socket.recv())
            assert "<mechanism>PLAIN</mechanism>" in str(await socket.recv())
            up.process.send_signal(signal.SIGTERM)
            farewell = "".join([str(message) async for message in socket])
        assert "system-shutdown" in farewell
        assert "<close" in farewell
        assert await up.ends() == 0


async def test_a_websocket_without_the_subprotocol_is_refused(tmp_path: Path) -> None:
    """RFC 7395 section 3.1: the handshake itself fails."""
    data = tmp_path / "data"
    async with commands(tmp_path) as started:
        up = await start_cluster(started, data, 1)
        url = f"ws://127.0.0.1:{description(data)['nodes'][0]['http']}/xmpp-websocket"
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(url)
        assert await up.ends(signal.SIGINT) == 0
