"""Three nodes as in production: settings by deploy/prepare.sh, HTTPS, no `raftline up`, a node replaced by the book."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from integration.cluster_process import EXIT_TIMEOUT_S, RAFTLINE, READY_TIMEOUT_S, wait_until
from raftline.server.failures import ExitCode

pytestmark = pytest.mark.timeout(120)

PREPARE = Path(__file__).resolve().parents[2] / "deploy" / "prepare.sh"
NODE_IDS = (1, 2, 3)
NEWCOMER = 4
"""What the first node that is invited is numbered."""


class Machines:
    """Three addresses of loopback, each with its folder for /etc/raftline and its folder for /var/lib/raftline."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Another run's nodes have another process' addresses; the ports are those of the settings' defaults.
        network = f"127.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250 + 1}"
        self.hosts = {node_id: f"{network}.{node_id}" for node_id in (*NODE_IDS, NEWCOMER)}
        self.running: dict[int, subprocess.Popen[bytes]] = {}

    def settings(self, node_id: int) -> Path:
        """The folder of a node's settings."""
        return self.folder / "settings" / f"node{node_id}"

    def environment(self, node_id: int) -> dict[str, str]:
        """What differs from a machine of its own: where it listens, and where its data lie."""
        host = self.hosts[node_id]
        listens = {f"RAFTLINE_{part}__HOST": host for part in ("XMPP", "HTTP", "PEER")}
        return {**os.environ, **listens, "RAFTLINE_DATA_DIR": str(self.folder / f"data{node_id}")}

    def node(self, node_id: int, *words: str) -> subprocess.CompletedProcess[str]:
        """`raftline node …` on a machine, to its end."""
        config = str(self.settings(node_id) / "node.toml")
        command = [RAFTLINE, "node", *words, "--config", config]
        environment = self.environment(node_id)
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=EXIT_TIMEOUT_S, check=False
        )

    def settle_newcomer(self, told: dict[str, Any]) -> None:
        """Settings of a node that was invited, made as docs/how-to/replace-a-node.md says."""
        words = [str(PREPARE), "--node", str(NEWCOMER), str(self.folder / "settings")]
        fingerprint = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
        own = self.settings(NEWCOMER)
        text = (self.settings(1) / "node.toml").read_text(encoding="utf-8")
        text = text.replace("node_id = 1\n", f'node_id = {NEWCOMER}\njoin_token_file = "join.token"\n', 1)
        host = self.hosts[NEWCOMER]
        row = f'[[cluster.peers]]\nnode_id = {NEWCOMER}\nhost = "{host}"\nport = 5269\nfingerprint = "{fingerprint}"\n'
        row += f'http_url = "https://{host}:5443"\nxmpp_address = "{host}:5222"\n'
        (own / "node.toml").write_text(text.replace("[tls]", f"{row}\n[tls]", 1), encoding="utf-8")
        (own / "join.token").write_text(told["token"], encoding="utf-8")
        shutil.copytree(self.settings(1) / "tls", own / "tls", dirs_exist_ok=True)

    def start(self, node_id: int) -> None:
        """`raftline node run`, as the unit does it."""
        command = [RAFTLINE, "node", "run", "--config", str(self.settings(node_id) / "node.toml")]
        with (self.folder / f"node{node_id}.log").open("ab") as log:
            self.running[node_id] = subprocess.Popen(
                command, env=self.environment(node_id), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    async def command(self, node_id: int, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """A command to the cluster through one node, with the token and the authority of the settings."""
        target = ["--server", f"https://{self.hosts[node_id]}:5443", "--ca-file", str(self.folder / "settings/ca.pem")]
        target += ["--token-file", str(self.folder / "settings" / "admin.token")]
        return await asyncio.to_thread(
            subprocess.run,
            [RAFTLINE, *words, *target],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    async def status(self, node_id: int) -> dict[str, Any] | None:
        """What a node tells of the cluster; None while it does not."""
        done = await self.command(node_id, "cluster", "status", "--json")
        content: dict[str, Any] | None = json.loads(done.stdout) if done.returncode == 0 else None
        return content

    def logs(self) -> str:
        """The end of what the nodes said."""
        return "\n".join(file.read_text()[-2_000:] for file in sorted(self.folder.glob("node*.log")))

    def stop(self) -> None:
        """End all in order."""
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        for process in self.running.values():
            process.wait(EXIT_TIMEOUT_S)


@pytest_asyncio.fixture
async def machines(tmp_path: Path) -> AsyncIterator[Machines]:
    """Three machines that are prepared and founded, and run."""
    made = Machines(tmp_path)
    words = [str(PREPARE), "--self-signed", "example.org", str(tmp_path / "settings")]
    words += [made.hosts[node_id] for node_id in NODE_IDS]
    await asyncio.to_thread(subprocess.run, words, check=True, capture_output=True)
    for node_id in NODE_IDS:
        done = await asyncio.to_thread(made.node, node_id, "init")
        assert done.returncode == 0, done.stderr
    for node_id in NODE_IDS:
        made.start(node_id)
    yield made
    made.stop()


async def test_the_way_of_the_handbook(machines: Machines) -> None:
    """Founded once, all three agree; accounts are made over HTTPS; one is lost, which all tell, and is replaced."""

    async def is_whole() -> dict[str, Any] | None:
        assert all(process.poll() is None for process in machines.running.values()), machines.logs()
        told = await machines.status(1)
        return told if told and told["leader"] and all(node["reachable"] for node in told["nodes"]) else None

    await wait_until("three nodes that agree", is_whole, READY_TIMEOUT_S)
    again = await asyncio.to_thread(machines.node, 1, "init")
    assert again.returncode != 0
    added = await machines.command(2, "user", "add", "anna", "--password-stdin", "--json", stdin="a-secret\n")
    assert (added.returncode, json.loads(added.stdout)) == (0, {"jid": "anna@example.org"}), added.stderr

    machines.running[3].kill()
    await asyncio.to_thread(machines.running.pop(3).wait)
    listed = await machines.command(1, "user", "list", "--json")
    assert [user["jid"] for user in json.loads(listed.stdout)["users"]] == ["anna@example.org"], listed.stderr
    seen = await machines.command(1, "top", "--once", "--json", "--interval", "0.2")
    reading = json.loads(seen.stdout)
    assert {node["id"]: node["reachable"] for node in reading["nodes"]} == {1: True, 2: True, 3: False}
    urls = [f"https://{machines.hosts[node_id]}:5443" for node_id in NODE_IDS]
    assert [node["url"] for node in reading["nodes"]] == urls
    assert reading["nodes"][1]["connections"] == 0  # its own figures came over HTTPS, from the address that it tells

    invited = await machines.command(1, "cluster", "replace", "3", "--json")
    assert invited.returncode == 0, invited.stderr
    assert json.loads(invited.stdout)["node_id"] == NEWCOMER
    await asyncio.to_thread(machines.settle_newcomer, json.loads(invited.stdout))
    machines.start(NEWCOMER)

    async def is_replaced() -> bool:
        told = await is_whole()
        if told is None:
            return False
        roles = {node["id"]: node["role"] for node in told["nodes"]}
        hashes = {node["state_hash"] for node in told["nodes"]}
        is_equal = len(hashes) == 1 and None not in hashes
        return is_equal and roles.keys() == {1, 2, NEWCOMER} and roles[NEWCOMER] in {"leader", "follower"}

    await wait_until("node 4 in the place of node 3", is_replaced, READY_TIMEOUT_S)

    machines.start(3)
    dismissed = machines.running.pop(3)
    assert await asyncio.to_thread(dismissed.wait, READY_TIMEOUT_S) == ExitCode.DISMISSED, machines.logs()
