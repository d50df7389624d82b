"""`raftline user` and `raftline cluster` against real HTTP servers."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from cli.serving import bind, raftline, serve
from raftline.base.errors import Busy, OutcomeUnknown
from raftline.server.certificates import client_facing_context, ensure_certificates
from raftline.server.cluster_file import ClusterFile, ClusterFileNode, write_cluster_file
from raftline.server.development_layout import lay_out, settle_parameters
from web.application import TOKEN, Application

STATUS = {
    "leader": 2,
    "term": 7,
    "commit_index": 90,
    "nodes": [
        {
            "id": 1,
            "role": "unknown",
            "reachable": False,
            "applied_index": None,
            "match_index": 80,
            "state_hash": None,
            "state_hash_index": None,
        },
        {
            "id": 2,
            "role": "leader",
            "reachable": True,
            "applied_index": 90,
            "match_index": 90,
            "state_hash": "ab" * 16,
            "state_hash_index": 89,
        },
    ],
}


@pytest.fixture
def application(application: Application) -> Application:
    """One that tells of a cluster."""
    application.status = STATUS
    return application


async def test_the_life_of_an_account(application: Application, server: tuple[str, ...]) -> None:
    """Added, listed, given another password, deleted; each command says what it did."""
    added = await raftline("user", "add", "Anna", "--password-stdin", *server, stdin="secret\n")
    assert (added.code, added.out) == (0, "Created anna@example.org.\n")
    listed = await raftline("user", "list", *server)
    assert listed.code == 0
    assert "anna@example.org" in listed.out
    changed = await raftline("user", "passwd", "anna", "--password-stdin", *server, stdin="other\n")
    assert changed.code == 0
    assert application.door.accounts["anna"].credentials[0].stored_key == b"other"  # type: ignore[union-attr]
    deleted = await raftline("user", "delete", "anna", *server)
    assert deleted.code == 0
    assert application.door.accounts == {}


async def test_refusals_are_exit_code_1(server: tuple[str, ...]) -> None:
    """What the cluster refuses is told in its words."""
    ended = await raftline("user", "delete", "nobody", *server)
    assert (ended.code, ended.out) == (1, "")
    assert "no such account" in ended.err


async def test_a_password_must_be_there(server: tuple[str, ...]) -> None:
    """Without a terminal it is not asked for; empty input is none."""
    ended = await raftline("user", "add", "anna", *server)
    assert ended.code == 2
    assert "--password-stdin" in ended.err
    assert (await raftline("user", "add", "anna", "--password-stdin", *server)).code == 2


async def test_a_wrong_token_is_told_apart(server: tuple[str, ...], tmp_path: Path) -> None:
    """Exit code 2, and the option to look at."""
    wrong = tmp_path / "wrong"
    wrong.write_text("nonsense", encoding="utf-8")
    ended = await raftline("user", "list", *server[:-1], str(wrong))
    assert ended.code == 2
    assert "--token-file" in ended.err


async def test_without_a_majority_it_is_exit_code_6_or_7(application: Application, server: tuple[str, ...]) -> None:
    """Certainly not done is 6, unknown is 7; both say so. A read is never unknown."""
    application.door.failure = Busy("no quorum")
    ended = await raftline("user", "delete", "anna", *server)
    assert ended.code == 6
    assert "nothing happened" in ended.err
    application.door.failure = OutcomeUnknown("no outcome")
    ended = await raftline("user", "delete", "anna", *server)
    assert ended.code == 7
    assert "not known" in ended.err
    assert (await raftline("user", "list", *server)).code == 6


async def test_status_as_json_is_what_the_node_says(server: tuple[str, ...]) -> None:
    """The documented shape, unchanged."""
    ended = await raftline("cluster", "status", "--json", *server)
    assert ended.code == 0
    assert json.loads(ended.out) == STATUS


async def test_status_for_people_names_leader_and_nodes(server: tuple[str, ...]) -> None:
    """A sentence and a table; what is unknown is a dash."""
    ended = await raftline("cluster", "status", *server)
    assert ended.code == 0
    assert "Node 2 leads in term 7" in ended.out
    rows = [line for line in ended.out.splitlines() if "leader" in line or "unknown" in line]
    assert len(rows) == 2
    assert "no" in rows[0]
    assert "-" in rows[0]


async def test_each_node_of_cluster_json_is_tried(application: Application, tmp_path: Path) -> None:
    """A dead node and one without quorum are passed over; when none is left, all are named."""
    data = tmp_path / "cluster"
    layout = lay_out(data, settle_parameters(data, 3, None, None), open_registration=False, allow_plaintext=True)
    hopeless = Application(tmp_path / "static")
    hopeless.door.failure = Busy("no quorum")
    with bind() as dead:
        async with serve(hopeless.app) as hopeless_port:
            async with serve(application.app) as port:
                ports = [dead.getsockname()[1], hopeless_port, port]
                _write(data, layout.content, ports)
                added = await raftline("user", "add", "anna", "--password-stdin", "--data", str(data), stdin="secret")
                assert (added.code, added.err) == (0, "")
                assert "anna" in application.door.accounts
            ended = await raftline("user", "list", "--data", str(data))
            assert ended.code == 6
            assert all(str(port) in ended.err for port in ports)


async def test_a_cluster_with_tls_is_reached_through_its_authority(application: Application, tmp_path: Path) -> None:
    """Without plain text the commands speak https and trust the cluster's own authority alone."""
    data = tmp_path / "cluster"
    layout = lay_out(data, settle_parameters(data, 1, None, None), open_registration=False, allow_plaintext=False)
    tls = layout.settings[0].tls
    async with serve(application.app, client_facing_context(tls.certificate_file, tls.key_file)) as port:
        _write(data, layout.content, [port])
        assert (await raftline("cluster", "status", "--data", str(data))).code == 0
        stranger = ensure_certificates(tmp_path / "stranger", [], "localhost", dt.datetime.now(dt.UTC))
        ended = await raftline(
            *("cluster", "status", "--server", f"https://127.0.0.1:{port}"),
            *("--token-file", str(data / "admin.token"), "--ca-file", str(stranger.authority)),
        )
        assert ended.code == 6
        assert "certificate" in ended.err.lower()


def _write(data: Path, content: ClusterFile, ports: list[int]) -> None:
    """Point cluster.json at the servers of a test, with their token."""
    nodes = tuple(
        ClusterFileNode(id=node.id, pid=0, xmpp=1, xmpps=1, http=port, peer=1, data=node.data)
        for node, port in zip(content.nodes, ports, strict=True)
    )
    write_cluster_file(data, ClusterFile(content.domain, TOKEN, content.ca, nodes))
