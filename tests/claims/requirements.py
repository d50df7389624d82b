"""
What a specification asks of a server, as the files of `tests/requirements` list it, and what is wrong with them.

A file is named after its specification, `xep_0030.toml` or `rfc_7395.toml`:

    version = "2.5.0"                # of the text that was read; the declaration must say the same; RFCs have none
    module = "xmpp_im/test_xeps.py"  # under `tests`, where tests below are that name no file

    [[requirement]]
    section = "3.1"
    must = "A request is answered, by a result or an error."      # or `should`; in our own words
    tests = ["TestXep0030::test_the_server"]                      # or, with a file, "gateway/test_tcp.py::TestTls::…"

    [[requirement]]
    section = "6.2"
    should = "Long lists of items are put into nodes."
    not_applicable = "The server has a handful of items."         # or `deviates`, where we do otherwise, and why

What a specification asks of clients alone is left out. From `must` only a XEP that is declared `partial` may deviate.
"""

from __future__ import annotations

import ast
import difflib
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from raftline.xmpp.module import Declaration
from raftline.xmpp.rfcs import Rfc

TESTS: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = TESTS / "requirements"


class Requirement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One demand, and how it is met: by `tests`, or not at all with a reason."""

    section: str
    must: str = ""
    should: str = ""
    tests: tuple[str, ...] = ()
    not_applicable: str = ""
    deviates: str = ""

    @property
    def text(self) -> str:
        return self.must or self.should


class Requirements(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file; names of tests are complete once it is read."""

    requirement: tuple[Requirement, ...]
    version: str = ""
    module: str = ""


def name_of(specification: Declaration | Rfc) -> str:
    """Name a specification as files are named: `xep_0030`, `rfc_6120`."""
    kind = "rfc" if isinstance(specification, Rfc) else "xep"
    return f"{kind}_{specification.number:04}"


def read_requirements(folder: Path = FOLDER) -> dict[str, Requirements]:
    """
    Read all files, by name.

    Raises:
        msgspec.ValidationError: A file has another form; the message names it.
    """
    return {path.stem: _read(path) for path in sorted(folder.glob("*.toml"))}


def complaints(
    specifications: Iterable[Declaration | Rfc], requirements: dict[str, Requirements], tests: Path = TESTS
) -> Iterator[str]:
    """Tell what is wrong: specifications without a file, files without one, and requirements that nothing shows."""
    known = {name_of(specification): specification for specification in specifications}
    for name, specification in known.items():
        if name not in requirements:
            yield f"{name} is claimed, but there is no requirements/{name}.toml"
        elif isinstance(specification, Declaration) and requirements[name].version != specification.version:
            yield f"{name}: requirements of {requirements[name].version}, declared is {specification.version}"
    for name, file in requirements.items():
        if name not in known:
            yield f"{name} has a file, but nothing claims it"
        may_deviate = isinstance(known.get(name), Rfc) or getattr(known.get(name), "status", "") == "partial"
        for requirement in file.requirement:
            for complaint in _complaints_of(requirement, tests, may_deviate=may_deviate):
                yield f"{name} section {requirement.section}: {complaint}"


def _read(path: Path) -> Requirements:
    try:
        file = msgspec.toml.decode(path.read_bytes(), type=Requirements)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise msgspec.ValidationError(f"{path.name}: {error}") from error
    return msgspec.structs.replace(
        file,
        requirement=tuple(
            msgspec.structs.replace(
                entry, tests=tuple(test if ".py::" in test else f"{file.module}::{test}" for test in entry.tests)
            )
            for entry in file.requirement
        ),
    )


def _complaints_of(requirement: Requirement, tests: Path, *, may_deviate: bool) -> Iterator[str]:
    if bool(requirement.must) == bool(requirement.should):
        yield "exactly one of `must` and `should` is needed"
    if sum(map(bool, (requirement.tests, requirement.not_applicable, requirement.deviates))) != 1:
        yield "exactly one of `tests`, `not_applicable` and `deviates` is needed"
    if requirement.must and requirement.deviates and not may_deviate:
        yield "who deviates from a MUST is not complete"
    for test in requirement.tests:
        file, _, name = test.partition("::")
        existing = names_of_tests(tests / file)
        if name not in existing:
            close = difflib.get_close_matches(name, existing, 1)
            yield f"there is no test {test}" + (f"; {close[0]}?" if close else "")


@functools.cache
def names_of_tests(path: Path) -> frozenset[str]:
    """Names of the tests in a module as pytest knows them, without parameters; none where there is no such file."""
    if not path.is_file():
        return frozenset()
    return frozenset(_tests(ast.parse(path.read_text(encoding="utf-8")), ""))


def _tests(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
    for child in node.body:
        if isinstance(child, ast.ClassDef) and child.name.startswith("Test"):
            yield from _tests(child, f"{prefix}{child.name}::")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and child.name.startswith("test_"):
            yield prefix + child.name
