"""What programs get with `--json`: one value on standard output and nothing beside it, from each command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cli.serving import raftline
from cli.test_administration import STATUS
from raftline.server.development_layout import lay_out, settings_file, settle_parameters
from server.backup_files import make_backup
from web.application import Application


async def told(*arguments: str, stdin: str = "") -> Any:
    """What a command says to a program, when all goes well."""
    ended = await raftline(*arguments, "--json", stdin=stdin)
    assert (ended.code, ended.err) == (0, "")
    return json.loads(ended.out)


class TestAccounts:
    """`raftline user`."""

    async def test_the_life_of_an_account(self, application: Application, server: tuple[str, ...]) -> None:
        """Added, listed with all that the table has, given another password, deleted."""
        assert await told("user", "add", "Anna", "--password-stdin", *server, stdin="secret\n") == {
            "jid": "anna@example.org"
        }
        (listed,) = (await told("user", "list", *server))["users"]
        assert listed.keys() == {"name", "jid", "created_ms", "session_count", "inviter"}
        assert listed["jid"] == "anna@example.org"
        assert await told("user", "passwd", "anna", "--password-stdin", *server, stdin="other\n") == {"name": "anna"}
        assert await told("user", "delete", "anna", *server) == {"name": "anna"}
        assert application.door.accounts == {}

    async def test_invitations(self, server: tuple[str, ...]) -> None:
        """Listed as the interface tells them, and taken back by their id."""
        await told("user", "invite", "--name", "anna", *server)
        (listed,) = (await told("user", "invitations", *server))["invitations"]
        assert listed["username"] == "anna"
        assert await told("user", "uninvite", listed["id"], *server) == {"id": listed["id"]}
        assert (await told("user", "invitations", *server))["invitations"] == []


async def test_a_leader_that_leads_already(application: Application, server: tuple[str, ...]) -> None:
    """Nothing is asked, and both are told."""
    application.status = STATUS
    assert await told("cluster", "transfer", "--to", "2", *server) == {"before": 2, "leader": 2}
    assert application.transfers == []


async def test_a_restored_cluster(tmp_path: Path) -> None:
    """Where it is, and what is in it."""
    file, header = make_backup(tmp_path)
    content = await told("restore", "--input", str(file), "--data", str(tmp_path / "new"))
    assert content["data"] == str(tmp_path / "new")
    assert content["header"]["applied_index"] == header.applied_index


async def test_settings(tmp_path: Path) -> None:
    """All of them with their types; whether they are correct; and who founds the cluster."""
    lay_out(tmp_path, settle_parameters(tmp_path, 1, None, None), open_registration=False, allow_plaintext=True)
    file = settings_file(tmp_path, 1)
    shown = await told("config", "show", str(file))
    assert shown["http"]["port"] == 15_002
    assert shown["plaintext"] == {"allow": True}
    assert shown["admin"] == {"token_file": str(tmp_path / "admin.token")}
    assert await told("config", "check", str(file)) == {"file": str(file), "correct": True}
    ended = await raftline("node", "init", "--config", str(file), "--json")
    assert (ended.code, ended.out) == (1, ""), "a directory that holds data is refused without a value"
