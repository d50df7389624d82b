"""`raftline backup`, `restore` and `verify` as people and programs meet them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.serving import raftline
from raftline.server.failures import ExitCode
from raftline.server.locks import DirectoryLock
from server.backup_files import make_backup


class TestVerify:
    """What is whole, what is not, and what nobody could look at."""

    async def test_a_whole_backup(self, tmp_path: Path) -> None:
        """Exit code 0; for programs the header as well."""
        file, header = make_backup(tmp_path)
        ended = await raftline("verify", "--input", str(file))
        assert (ended.code, ended.err) == (ExitCode.DONE, "")
        assert "All is whole." in ended.out
        assert header.state.sha256 in ended.out
        told = json.loads((await raftline("verify", "--input", str(file), "--json")).out)
        assert told["complaints"] == []
        assert told["header"]["applied_index"] == header.applied_index

    async def test_a_damaged_part(self, tmp_path: Path) -> None:
        """Exit code 3, and which part."""
        file, _ = make_backup(tmp_path)
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
        ended = await raftline("verify", "--input", str(file))
        assert ended.code == ExitCode.STORAGE
        assert "DAMAGED" in ended.out
        assert "part state" in ended.out

    async def test_a_header_that_does_not_fit(self, tmp_path: Path) -> None:
        """Every digest holds, the database is another one."""
        file, _ = make_backup(tmp_path, entry_chain="00" * 32)
        ended = await raftline("verify", "--input", str(file))
        assert ended.code == ExitCode.STORAGE
        assert "not the one that the header tells of" in ended.out

    async def test_something_else(self, tmp_path: Path) -> None:
        """No backup, no file, no data, both or neither option."""
        (tmp_path / "notes").write_text("mine")
        (tmp_path / "empty").mkdir()
        for arguments, code in (
            (("--input", "notes"), ExitCode.STORAGE),
            (("--input", "nothing"), ExitCode.STORAGE),
            (("--data", "empty"), ExitCode.REFUSED),
            ((), ExitCode.USAGE),
            (("--input", "notes", "--data", "empty"), ExitCode.USAGE),
        ):
            places = [str(tmp_path / word) if not word.startswith("--") else word for word in arguments]
            ended = await raftline("verify", *places)
            assert (ended.code, ended.out) == (code, ""), arguments
            assert ended.err.startswith("raftline: ")

    async def test_data_in_use_are_left_alone(self, tmp_path: Path) -> None:
        """A node that runs changes them all the time; when it has stopped they are whole."""
        file, _ = make_backup(tmp_path)
        data = tmp_path / "cluster"
        assert (await raftline("restore", "--input", str(file), "--data", str(data), "--nodes", "1")).code == 0
        lock = DirectoryLock(data / "node1" / "data" / "lock")
        assert (await raftline("verify", "--data", str(data))).code == ExitCode.IN_USE
        lock.close()
        ended = await raftline("verify", "--data", str(data))
        assert ended.code == ExitCode.DONE
        assert "Node 1" in ended.out
        assert (await raftline("verify", "--data", str(data / "node1" / "data"))).code == ExitCode.DONE


class TestRestore:
    """What is told, and exit codes by kind."""

    async def test_what_to_do_next_is_told(self, tmp_path: Path) -> None:
        """Which command starts it; a second time the directory is not empty."""
        file, header = make_backup(tmp_path)
        arguments = ("restore", "--input", str(file), "--data", str(tmp_path / "new"))
        ended = await raftline(*arguments)
        assert ended.code == ExitCode.DONE
        assert f"up to entry {header.applied_index}" in ended.out
        assert f"raftline up --data {tmp_path / 'new'}" in ended.out
        again = await raftline(*arguments)
        assert again.code == ExitCode.REFUSED
        assert "is not empty" in again.err

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            ((), ExitCode.USAGE),
            (("--data", "new", "--config", "node.toml"), ExitCode.USAGE),
            (("--data", "new", "--domain", "example.net"), ExitCode.USAGE),
            (("--data", "new", "--nodes", "0"), ExitCode.USAGE),
            (("--config", "missing.toml"), ExitCode.USAGE),
        ],
    )
    async def test_wrong_arguments(self, tmp_path: Path, arguments: tuple[str, ...], code: int) -> None:
        """Nothing is made."""
        file, _ = make_backup(tmp_path)
        places = [str(tmp_path / word) if word in {"new", "node.toml", "missing.toml"} else word for word in arguments]
        ended = await raftline("restore", "--input", str(file), *places)
        assert ended.code == code
        assert not (tmp_path / "new").exists()


class TestBackup:
    """Without a cluster there is no backup."""

    async def test_nobody_answers(self, tmp_path: Path) -> None:
        """Exit code 6, and no file."""
        (tmp_path / "token").write_text("secret")
        server = ("--server", "http://127.0.0.1:1", "--token-file", str(tmp_path / "token"))
        ended = await raftline("backup", "--output", str(tmp_path / "file"), *server)
        assert ended.code == ExitCode.UNAVAILABLE
        assert not (tmp_path / "file").exists()
