"""Writes `docs/xeps.md`: what is claimed, what each specification asks of a server, and which test shows it."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from claims.compliance import SUITES, lacking, level
from claims.requirements import TESTS, Requirement, Requirements, name_of
from raftline.xmpp.module import Declaration
from raftline.xmpp.rfcs import Rfc

SOURCE: Final = TESTS.parent / "src" / "raftline"
RFC_TESTS: Final = {
    4616: ("xmpp_core/test_rfc5802.py",),
    5802: ("xmpp_core/test_rfc5802.py",),
    6120: ("xmpp_core/test_rfc6120.py", "xmpp_core/test_rfc6120_stanzas.py", "xmpp_core/test_xmlstream.py"),
    6121: (
        "xmpp_im/test_roster.py",
        "xmpp_im/test_presence.py",
        "xmpp_im/test_messages.py",
        "machine/test_rosters.py",
        "machine/test_subscriptions.py",
        "machine/test_presence.py",
        "machine/test_messages.py",
    ),
    7395: ("xmpp_core/test_rfc7395.py",),
    7590: ("gateway/test_tcp.py", "server/test_certificates.py"),
    7622: ("xmpp_core/test_rfc7622.py",),
    7677: ("xmpp_core/test_rfc5802.py",),
}
"""Modules whose classes are named after sections, for RFCs whose requirements are not listed one by one."""

HEAD: Final = """\
# What Raftline speaks

Each specification that is claimed, and what it asks of a server: every MUST and SHOULD is shown by a test, or has the
reason why there is nothing to show, or why we do otherwise. Written by `make claims` from the modules' declarations and
`tests/requirements`; `make check` fails when this page, `doap.xml` and the tests do not agree.

## Compliance suites

[XEP-0479](https://xmpp.org/extensions/xep-0479.html) for servers. A category is reached when Core is, too.

| Category | Level | Server lacks | Advanced server lacks |
| --- | --- | --- | --- |
"""


def page_of(
    rfcs: Sequence[Rfc],
    declarations: Sequence[Declaration],
    requirements: dict[str, Requirements],
    claims: Collection[str],
) -> str:
    """Write the page; declarations in the order of their numbers."""
    return HEAD + "".join([
        *(_suite_rows(claims)),
        "\n## RFCs\n\n| RFC | Title | Tests, by section | Files | Note |\n| --- | --- | --- | --- | --- |\n",
        *(_rfc_row(rfc, requirements) for rfc in rfcs),
        "\n## XEPs\n\n| XEP | Title | Version | Status | Requirements | File | Note |\n",
        "| --- | --- | --- | --- | --- | --- | --- |\n",
        *(_xep_row(declaration, requirements) for declaration in declarations),
        *(_section(entry, requirements) for entry in (*rfcs, *declarations) if name_of(entry) in requirements),
    ])  # fmt: skip


def _suite_rows(claims: Collection[str]) -> Iterator[str]:
    for suite in SUITES:
        columns = [", ".join(lacking(claims, suite, advanced=advanced)) or "–" for advanced in (False, True)]
        yield f"| {suite.name} | {level(claims, suite)} | {' | '.join(columns)} |\n"


def _rfc_row(rfc: Rfc, requirements: dict[str, Requirements]) -> str:
    link = f"[{rfc.number}](https://www.rfc-editor.org/rfc/rfc{rfc.number})"
    files = ", ".join(_link(f"src/raftline/{file}") for file in rfc.files)
    tests = ", ".join(_link(f"tests/{file}") for file in RFC_TESTS[rfc.number])
    if name_of(rfc) in requirements:
        tests = _count(name_of(rfc), requirements)
    return f"| {link} | {rfc.title} | {tests} | {files} | {rfc.note} |\n"


def _xep_row(declaration: Declaration, requirements: dict[str, Requirements]) -> str:
    number = f"{declaration.number:04}"
    columns = [
        f"[{number}](https://xmpp.org/extensions/xep-{number}.html)",
        declaration.title,
        declaration.version,
        declaration.status,
        _count(name_of(declaration), requirements),
        _link(declaring_files()[declaration.number]),
        declaration.note,
    ]
    return f"| {' | '.join(columns)} |\n"


@functools.cache
def declaring_files() -> dict[int, str]:
    """Which file declares each XEP, by its number: where `Declaration(number=…)` is written."""
    files = {}
    for path in sorted((SOURCE / "xmpp").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Declaration":
                number = next(word.value for word in node.keywords if word.arg == "number")
                files[ast.literal_eval(number)] = path.relative_to(TESTS.parent).as_posix()
    return files


def _count(name: str, requirements: dict[str, Requirements]) -> str:
    if name not in requirements:
        return "not listed"
    entries = requirements[name].requirement
    counts = {
        "tested": sum(bool(entry.tests) for entry in entries),
        "not applicable": sum(bool(entry.not_applicable) for entry in entries),
        "otherwise": sum(bool(entry.deviates) for entry in entries),
    }
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _section(specification: Declaration | Rfc, requirements: dict[str, Requirements]) -> str:
    kind = "RFC " if isinstance(specification, Rfc) else "XEP-"
    number = specification.number if isinstance(specification, Rfc) else f"{specification.number:04}"
    rows = [_requirement_row(entry) for entry in requirements[name_of(specification)].requirement]
    return (
        f"\n## {kind}{number} {specification.title}\n\n"
        "| Section | Level | Requirement | Shown by |\n| --- | --- | --- | --- |\n" + "".join(rows)
    )


def _requirement_row(entry: Requirement) -> str:
    shown = (
        "<br>".join(map(_test_link, entry.tests))
        or (entry.not_applicable and f"*not applicable:* {entry.not_applicable}")
        or f"*otherwise:* {entry.deviates}"
    )
    level_name = "MUST" if entry.must else "SHOULD"
    return f"| {entry.section} | {level_name} | {_cell(entry.text)} | {_cell(shown)} |\n"


def _test_link(test: str) -> str:
    file, _, name = test.partition("::")
    return f"[{name.replace('::', ' ')}](../tests/{file})"


def _cell(text: str) -> str:
    """Keep a text in its cell: bars are escaped, and so is what would be taken for a tag outside of code."""
    parts = re.split(r"(`[^`]*`|<br>)", text.replace("|", r"\|"))
    return "".join(part if part.startswith(("`", "<br>")) else part.replace("<", "&lt;") for part in parts)


def _link(file: str) -> str:
    return f"[{file.rsplit('/', 1)[1]}](../{file})"
