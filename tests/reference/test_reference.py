"""The documentation site: its reference says what the code says, it builds without a warning, and loads nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from raftline.base import limits
from raftline.cli.main import make_app, walk
from raftline.server.failures import EXIT_CODES
from reference import pywa
from reference.pages import FOLDER, PAGES, render
from reference.pywa_calls import CALLS
from scripts.site_links import replace_outside

ROOT = Path(__file__).resolve().parents[2]
LOADS = re.compile(
    r"""<(?:script|img|iframe|source)[^>]*\ssrc=["']?(?:https?:)?//|<link[^>]*\shref=["']?(?:https?:)?//"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does it: a warning is a failure."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize("name", PAGES)
def test_the_reference_is_that_of_the_code(name: str) -> None:
    """Whoever changes a command, a setting, a limit or a metric runs `make docs`."""
    assert (FOLDER / name).read_text(encoding="utf-8") == render(name), f"docs/reference/{name} is old: make docs"


class TestContent:
    """Nothing of the code is missing in the pages."""

    def test_commands(self) -> None:
        """Every command has its heading and an example; every exit code its row."""
        page = render("commands.md")
        for path, found in walk(make_app()):
            assert f"### raftline {' '.join(path)}\n" in page
            if found.default_command is not None:
                section = page.partition(f"### raftline {' '.join(path)}\n")[2].partition("\n### ")[0]
                example = section.partition("Example:\n\n```console\n")[2].partition("```")[0]
                assert f"raftline {' '.join(path)}" in example
                usage = section.partition("```console\n")[2].partition("\n```")[0]
                assert f"{usage} ".startswith(f"raftline {' '.join(path)} ")
                assert " -m " not in usage
        assert all(f"| {int(code)} | {end.word} |" in page for code, end in EXIT_CODES.items())

    def test_settings(self) -> None:
        """A plain one, one of a list, bounds, a default, a choice, what each is for, and the environment."""
        page = render("settings.md")
        assert "| `port` | 1 to 65,535 | 5,443 | HTTPS; plain HTTP where" in page
        assert "## `[[cluster.peers]]`" in page
        assert "In the environment: `RAFTLINE_HTTP__…`, with the key in capitals." in page
        assert "| `level` | `debug`, `error`, `info`, `warning` | `info` |" in page
        assert "| `token_file` | a path | must be given |" in page
        assert "|  |\n" not in page, "a setting that says nothing of itself"

    def test_limits(self) -> None:
        """Every constant of the module, with its value."""
        page = render("limits.md")
        names = [name for name in vars(limits) if name.isupper()]
        assert len(names) > 50
        assert all(f"| `{name}` |" in page for name in names)
        assert "| `LOCALPART_SIZE_MAX` | 1,023 | Bytes of a localpart" in page

    def test_metrics(self) -> None:
        """Of each kind one."""
        page = render("metrics.md")
        assert "| `raftline_cluster_commit_seconds` | histogram |" in page
        assert "| `raftline_gateway_messages_total` | counter |" in page
        assert "- `commit_latency`: Of this node's commands" in page


class TestPywa:
    """Each method of the client that others wrote is called, and what becomes of it is told."""

    LOCAL = frozenset(
        {
            "add_flow_request_handler",
            "add_handlers",
            "api",
            "business_account_id",
            "get_flow_request_handler",
            "listen",
            "load_handlers_modules",
            "remove_callbacks",
            "remove_handlers",
            "run",
            "stop_listening",
            "token",
            "webhook_challenge_handler",
            "webhook_update_handler",
            "webhook_update_validator",
        }
    )

    def test_none_is_left_out(self) -> None:
        """Whatever could make a request is called."""
        others = [name for name in pywa.methods() if name not in CALLS]
        assert {name for name in others if not name.startswith("on_")} == self.LOCAL
        assert set(CALLS) <= set(pywa.methods())

    @pytest.mark.parametrize("name", CALLS)
    def test_it_is_served_or_refused(self, name: str) -> None:
        """A refusal is one of what is not here: never of the token, of the service, or of nobody knows what."""
        assert pywa.find(name).code in {0, 10, 100, 131051}

    @pytest.mark.parametrize("name", CALLS)
    def test_the_client_for_the_event_loop_gets_the_same(self, name: str) -> None:
        """The same last request, and the same refusal."""
        assert pywa.find(name, is_async=True)[:2] == pywa.find(name)[:2]

    def test_page(self) -> None:
        """Of each kind one."""
        page = render("pywa.md")
        assert "| `upload_media` | `POST /P/media` |" in page
        assert "| `get_flows` | 100 Invalid parameter | Raftline has no flows. |" in page
        assert "| `update_display_name` | 10 Permission denied |" in page
        assert "- `archive_templates`: pywa asks api.facebook.com" in page
        assert "`on_message`" in page


class TestSite:
    """What people open."""

    def test_all_pages_are_there(self, site: Path) -> None:
        """The tour, the ways to do things, the reference."""
        for page in ("index", "how-to/three-machines", "how-to/replace-a-node", "reference/commands", "xeps"):
            assert (site / f"{page}.html").is_file(), page

    def test_nothing_is_loaded_from_elsewhere(self, site: Path) -> None:
        """No script, style, font or picture of another host."""
        pages = list(site.rglob("*.html"))
        assert len(pages) > 15
        loads = {
            str(page.relative_to(site)): found[0]
            for page in pages
            if (found := LOADS.search(re.sub(r'<link rel="canonical"[^>]*>', "", page.read_text(encoding="utf-8"))))
        }
        assert not loads

    def test_links_to_sources_become_names(self) -> None:
        """Where a link leaves docs/ its text stays; others stay links, so that the build finds broken ones."""
        text = "[a test](../tests/x.py) [page](xeps.md#part) [web](https://example.org/) [up](../../README.md)"
        assert replace_outside(text, "clients.md") == "a test [page](xeps.md#part) [web](https://example.org/) up"
        assert replace_outside("[x](../xeps.md)", "how-to/clients.md") == "[x](../xeps.md)"
