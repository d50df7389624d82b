"""Rules of the house that no other tool checks, held against every file that git tracks."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
LONG_FILES: dict[str, str] = {}  # path: reason

# Written in pieces, so that this file does not break its own rules.
BANNED_WORDS = ("FIX" + "ME", "X" + "XX", "TO" + "DO", "HA" + "CK")
REGISTRY_HOSTS = re.compile(
    r"\b(?:pypi\.org|pythonhosted\.org|registry\.npmjs\.org|deb\.debian\.org|registry\.yarnpkg\.com)\b"
)
MACHINE_PATHS = re.compile(r"(?<![\w./~])/(?:home|root|work|Users)/\w")
EXTERNAL_LOADS = re.compile(
    r"""(?<!<a\s)(?:src|href)\s*=\s*["'](?:https?:)?//|@import\s+["'](?:https?:)?//|url\(\s*["']?https?://"""
)
TEXT_SUFFIXES = {
    *(".css", ".html", ".in", ".js", ".json", ".md", ".py", ".svg", ".toml", ".ts", ".txt", ".yaml", ".yml", "")
}


def tracked(*patterns: str) -> list[Path]:
    """Files that git tracks and that exist, by pattern."""
    names = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def relative(path: Path) -> str:
    """A path as messages name it."""
    return path.relative_to(ROOT).as_posix()


def tracked_texts() -> Iterator[tuple[Path, str]]:
    """Every tracked text file with its content."""
    for path in tracked():
        if path.suffix in TEXT_SUFFIXES:
            yield path, path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def modules() -> dict[str, ast.Module]:
    """Every tracked Python file, parsed."""
    return {relative(path): ast.parse(path.read_text(encoding="utf-8")) for path in tracked("*.py")}


def test_there_is_something_to_check(modules: dict[str, ast.Module]) -> None:
    """The other tests would pass on an empty list: git must know the sources and the tests."""
    assert any(name.startswith("src/raftline/") for name in modules)
    assert any(name.startswith("tests/") for name in modules)


def test_every_module_has_a_docstring(modules: dict[str, ast.Module]) -> None:
    """A reader learns from the head of each file what it is for."""
    missing = [name for name, tree in modules.items() if not ast.get_docstring(tree)]
    assert not missing, missing


def test_every_test_says_its_goal(modules: dict[str, ast.Module]) -> None:
    """Each test function has a docstring."""
    missing = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in modules.items()
        if Path(name).name.startswith("test_")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert not missing, missing


def test_files_are_short_enough() -> None:
    """No source file has more than 600 lines."""
    counts = {
        relative(path): path.read_text(encoding="utf-8").count("\n")
        for path in tracked("*.py", "*.js", "*.ts", "*.css")
    }
    long = {name: count for name, count in counts.items() if count > FILE_LINES_MAX and name not in LONG_FILES}
    assert not long, long


def test_functions_fit_a_screen(modules: dict[str, ast.Module]) -> None:
    """No function has more than 70 lines from `def` to its end, without its docstring."""
    long = []
    for name, tree in modules.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            first = node.body[0]
            has_docstring = ast.get_docstring(node, clean=False) is not None
            docstring_lines = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
            line_count = (node.end_lineno or 0) - node.lineno + 1 - docstring_lines
            if line_count > FUNCTION_LINES_MAX:
                long.append(f"{name}:{node.lineno} {node.name} has {line_count} lines")
    assert not long, long


def test_nothing_private_is_left_over(modules: dict[str, ast.Module]) -> None:
    """What a module of ours keeps to itself, it uses."""
    left = []
    for name, tree in modules.items():
        if not name.startswith("src/"):
            continue
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        left += [f"{name}: {own}" for own in sorted(_own_names(tree) - used)]
    assert not left, left


def _own_names(tree: ast.Module) -> set[str]:
    """Names with one underscore in front that a module gives to something of its own."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if name.startswith("_") and not name.startswith("__")}


def test_no_unfinished_business() -> None:
    """Words that mark unfinished work are not on the main branch."""
    pattern = re.compile(r"\b(?:" + "|".join(BANNED_WORDS) + r")\b")
    found = [
        f"{relative(path)}:{number}"
        for path, text in tracked_texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]
    assert not found, found


@pytest.mark.parametrize("pattern", [REGISTRY_HOSTS, MACHINE_PATHS], ids=["registry hosts", "machine paths"])
def test_nothing_of_one_machine_is_in_the_repository(pattern: re.Pattern[str]) -> None:
    """No host of a package registry and no path of one machine is written down."""
    found = [
        f"{relative(path)}:{number}: {line.strip()[:80]}"
        for path, text in tracked_texts()
        if path != Path(__file__).resolve()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]
    assert not found, found


def test_the_page_loads_nothing_from_elsewhere() -> None:
    """Our own pages name no other host in what they load; a link that people may follow is no load."""
    found = [
        relative(path)
        for path in tracked("src/raftline/web/static/*", "frontend/*")
        if path.suffix in {".css", ".html", ".js", ".ts"} and EXTERNAL_LOADS.search(path.read_text(encoding="utf-8"))
    ]
    assert not found, found


def test_every_markdown_file_has_one_title() -> None:
    """Exactly one heading of the first level, outside of code."""
    wrong = {}
    for path in tracked("*.md"):
        text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        count = len(re.findall(r"^# \S", text, flags=re.MULTILINE))
        if count != 1:
            wrong[relative(path)] = count
    assert not wrong, wrong


def test_markdown_links_lead_somewhere() -> None:
    """Relative links in our pages point at files that exist."""
    broken = [
        f"{relative(path)} -> {target}"
        for path in tracked("*.md")
        for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]
    assert not broken, broken


def test_the_changelog_has_its_form() -> None:
    """Keep a Changelog: `Unreleased` first, then versions with dates, known sections only."""
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    sections = re.findall(r"^### (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", heading) for heading in headings[1:]), headings
    assert set(sections) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_version_is_written_once() -> None:
    """The package and the project file agree on the version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    source = (ROOT / "src/raftline/__init__.py").read_text(encoding="utf-8")
    assert f'__version__ = "{project["version"]}"' in source


def test_every_dependency_is_pinned_with_hashes() -> None:
    """requirements/*.txt hold what pyproject.toml asks for, each with hashes."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = content["dependency-groups"]
    wanted = {
        "run.txt": content["project"]["dependencies"],
        "dev.txt": content["project"]["dependencies"] + groups["dev"] + groups["build"],
    }
    for name, dependencies in wanted.items():
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        pinned = dict.fromkeys(re.findall(r"^([a-z0-9-]+)==", text, flags=re.MULTILINE))
        names = {re.split(r"[<>=!~\[; ]", dependency)[0].lower() for dependency in dependencies}
        assert names <= set(pinned), f"{name} lacks {sorted(names - set(pinned))}: run `make lock`"
        blocks = re.split(r"\n(?=[a-z0-9-]+==)", text)[1:]
        assert all("--hash=sha256:" in block for block in blocks)
        assert "://" not in text


def test_package_lock_names_no_host() -> None:
    """package-lock.json pins by integrity and does not say from where."""
    text = (ROOT / "package-lock.json").read_text(encoding="utf-8")
    resolved = re.findall(r'"resolved": "([^"]+)"', text)
    assert all("://" not in source for source in resolved), resolved
    assert '"integrity"' in text


def test_assertions_stay_on() -> None:
    """Nothing starts Python with `-O`, which would drop our assertions."""
    pattern = re.compile(r"python3?\s+-O|PYTHONOPTIMIZE\s*=")
    found = [
        relative(path)
        for path in tracked("Makefile", ".ci/*", "scripts/*", "*.sh")
        if pattern.search(path.read_text(encoding="utf-8"))
    ]
    assert not found, found
