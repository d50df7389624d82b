"""`raftline retention` against a real HTTP server."""

from __future__ import annotations

import json
from pathlib import Path

from cli.serving import raftline, serve
from web.application import TOKEN, Application


async def test_set_and_show(tmp_path: Path) -> None:
    """Days, and what no limit means, for people; a limit that cannot be is refused with its reason."""
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    application = Application(tmp_path)
    async with serve(application.app) as port:
        server = ("--server", f"http://127.0.0.1:{port}", "--token-file", str(tmp_path / "token"))
        done = await raftline("retention", "set", "--uploads", "90", "--account-archives", "0", *server)
        assert done.code == 0, done.err
        shown = await raftline("retention", "show", *server)
        assert shown.out == done.out
        lines = {line.partition("│")[2].strip(): line for line in shown.out.splitlines()}
        rows = " ".join(" ".join(lines).split())
        for text in ("Uploaded files │ 90 days", "Archives of rooms │ for ever", "deleted accounts │ goes at once"):
            assert text in rows
        told = await raftline("retention", "show", "--json", *server)
        assert json.loads(told.out)["uploads_days"] == 90
        refused = await raftline("retention", "set", "--uploads", "40000", *server)
        assert refused.code != 0
        assert "uploads_days" in refused.err
    assert application.door.retention == {"uploads": 90 * 86_400_000, "account-archives": 0}
