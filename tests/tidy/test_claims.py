"""What we claim to speak is what modules declare and tests show: `doap.xml`, `docs/xeps.md`, `tests/requirements`."""

from __future__ import annotations

import functools
from pathlib import Path

import msgspec
import pytest

from claims.compliance import LEVELS, SUITES, lacking, level
from claims.doap import claims_of, doap_of
from claims.outline import outline
from claims.page import RFC_TESTS, SOURCE, page_of
from claims.requirements import TESTS, Requirement, Requirements, complaints, names_of_tests, read_requirements
from claims.state import DOAP_FILE, complaints_of_all, declarations
from raftline.xmpp.module import Declaration
from raftline.xmpp.rfcs import RFCS, Rfc

LEVELS_NOW = dict.fromkeys(("Core", "Web", "IM", "Mobile", "A/V Calling"), "advanced server")
"""Of XEP-0479."""

PING = Declaration(number=199, title="XMPP Ping", version="2.0.1", note="a < b")
MODULE = "test_it.py"


def test_nothing_is_wrong() -> None:
    """Each claim has its requirements, each requirement its test or reason, and both files are as generated."""
    wrong = complaints_of_all()
    assert not wrong, "\n".join(wrong)


class TestXep0479:
    """The compliance suites."""

    def test_levels(self) -> None:
        """Section 3: the level of each category is exactly what is written here, computed from the DOAP file."""
        claims = claims_of(DOAP_FILE.read_text(encoding="utf-8"))
        for suite in SUITES:
            missing = ", ".join(lacking(claims, suite, advanced=True))
            print(f"{suite.name}: {level(claims, suite)}; an advanced server needs {missing or 'nothing else'}")
        assert {suite.name: level(claims, suite) for suite in SUITES} == LEVELS_NOW

    def test_what_a_level_needs(self) -> None:
        """Everything of the category and of Core; one feature less is one level less."""
        claims = frozenset().union(*(suite.server | suite.advanced for suite in SUITES))
        assert {level(claims, suite) for suite in SUITES} == {LEVELS[2]}
        mobile = next(suite for suite in SUITES if suite.name == "Mobile")
        assert level(claims - {"XEP-0357"}, mobile) == LEVELS[1]
        assert level(claims - {"XEP-0368"}, mobile) == LEVELS[1]
        assert level(claims - {"XEP-0352"}, mobile) == LEVELS[0]
        assert level(claims - {"RFC 6120"}, mobile) == LEVELS[0]


class TestDoap:
    """XEP-0453."""

    def test_it_says_what_is_declared(self) -> None:
        """Every RFC and XEP, and none that nobody declares."""
        named = {f"RFC {rfc.number}" for rfc in RFCS} | {f"XEP-{entry.number:04}" for entry in declarations()}
        assert claims_of(DOAP_FILE.read_text(encoding="utf-8")) == named

    def test_only_what_is_implemented_is_a_claim(self) -> None:
        """What is planned may be said and does not count; texts survive as they are."""
        assert claims_of(doap_of([], [PING])) == {"XEP-0199"}
        assert claims_of(doap_of([], [PING]).replace(">complete<", ">planned<")) == set()
        assert "a &lt; b" in doap_of([], [PING])


class TestRequirements:
    """The files of `tests/requirements`."""

    def test_what_is_wrong_is_told(self, tmp_path: Path) -> None:
        """Each way to be wrong, one by one; what is right is passed over."""
        (tmp_path / MODULE).write_text("class TestA:\n    async def test_b(self): ...\ndef helper(): ...\n")

        def wrong(entry: Requirement, claim: Declaration | Rfc = PING, version: str = "2.0.1") -> list[str]:
            files = {f"xep_{claim.number:04}": Requirements((entry,), version)}
            return list(complaints([claim], files, tmp_path))

        right = Requirement("4", must="x", tests=(f"{MODULE}::TestA::test_b",))
        change = functools.partial(msgspec.structs.replace, right)
        assert wrong(right) == []
        assert wrong(right, version="2.0") == ["xep_0199: requirements of 2.0, declared is 2.0.1"]
        [said] = wrong(change(tests=(f"{MODULE}::TestA::test_c",)))
        assert said.endswith(f"there is no test {MODULE}::TestA::test_c; TestA::test_b?")
        assert wrong(change(tests=(f"{MODULE}::helper",))) != []
        assert wrong(change(tests=("elsewhere.py::TestA::test_b",))) != []
        assert wrong(change(should="y")) == ["xep_0199 section 4: exactly one of `must` and `should` is needed"]
        assert wrong(change(must="")) != []
        assert wrong(change(not_applicable="y")) != []
        assert wrong(change(tests=())) != []
        deviates = change(tests=(), deviates="y")
        assert wrong(deviates) == ["xep_0199 section 4: who deviates from a MUST is not complete"]
        assert wrong(msgspec.structs.replace(deviates, must="", should="x")) == []
        partial = Declaration(number=199, title="", version="2.0.1", status="partial", note="n")
        assert wrong(deviates, partial) == []

    def test_claims_and_files_belong_together(self) -> None:
        """A claim needs a file, and a file a claim."""
        assert list(complaints([PING], {})) == ["xep_0199 is claimed, but there is no requirements/xep_0199.toml"]
        assert list(complaints([], {"xep_0199": Requirements(())})) == ["xep_0199 has a file, but nothing claims it"]

    def test_names_are_completed(self, tmp_path: Path) -> None:
        """A test without a file is one of the file's module; a misspelt key is refused with the file's name."""
        path = tmp_path / "xep_0199.toml"
        path.write_text("module = 'a.py'\n[[requirement]]\nsection = '1'\nmust = 'x'\ntests = ['t', 'b.py::t']\n")
        [entry] = read_requirements(tmp_path)["xep_0199"].requirement
        assert entry.tests == ("a.py::t", "b.py::t")
        path.write_text("[[requirement]]\nsection = '1'\nmusst = 'x'\n")
        with pytest.raises(msgspec.ValidationError, match=r"xep_0199\.toml"):
            read_requirements(tmp_path)


def test_rfcs_have_their_files_and_tests() -> None:
    """Each RFC that is claimed names code and test modules that are there."""
    assert [rfc.number for rfc in RFCS] == sorted(RFC_TESTS)
    for rfc in RFCS:
        assert all((SOURCE / file).is_file() for file in rfc.files), rfc.number
        assert all(names_of_tests(TESTS / module) for module in RFC_TESTS[rfc.number]), rfc.number


def test_the_page_keeps_texts_in_their_cells() -> None:
    """Bars and tags in a requirement do not break its row, and code stays code."""
    entry = Requirement("1", should="`<a/>` or <b/> | c", deviates="no")
    page = page_of([], [PING], {"xep_0199": Requirements((entry,))}, set())
    assert r"| 1 | SHOULD | `<a/>` or &lt;b/> \| c | *otherwise:* no |" in page


def test_an_outline_is_a_file_to_begin_with() -> None:
    """Every demanding sentence with its section and level, entities by name, examples left out."""
    text = outline(
        "<!DOCTYPE xep SYSTEM 'xep.dtd' [ %ents; ]><xep><header><revision><version>1.2</version></revision></header>"
        "<section1 topic='A'><p>It MAY. It MUST do &IQ;. It SHOULD.</p><section2 topic='B'><ul><li>It SHALL.</li></ul>"
        "<example>It MUST.</example></section2></section1></xep>"
    )
    assert 'version = "1.2"' in text
    found = [line for line in text.splitlines() if line.startswith(("section", "#", "must", "should"))]
    assert found == [
        'section = "1"', "# It MUST do IQ.", 'must = ""',
        'section = "1"', "# It SHOULD.", 'should = ""',
        'section = "1.1"', "# It SHALL.", 'must = ""',
    ]  # fmt: skip
