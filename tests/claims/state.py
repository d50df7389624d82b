"""Brings together what is declared, what is required and what is written, of this project."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from claims.doap import claims_of, doap_of
from claims.page import page_of
from claims.requirements import TESTS, complaints, read_requirements
from raftline.xmpp.catalog import all_modules
from raftline.xmpp.module import Declaration
from raftline.xmpp.rfcs import RFCS
from raftline.xmpp.xeps.xep_0215_external_services import ExternalServices
from raftline.xmpp.xeps.xep_0363_http_upload import UploadService

DOAP_FILE: Final = TESTS.parent / "doap.xml"
PAGE_FILE: Final = TESTS.parent / "docs" / "xeps.md"


def declarations() -> list[Declaration]:
    """All that modules declare, by number, those among them that an operator has to set up."""
    modules = all_modules(
        wall_clock_ms=lambda: 0,
        external_services=ExternalServices((), b"", 0),
        uploads=UploadService(str, bytes, 0, 0, 0),
    )
    return sorted(modules.declarations, key=lambda declaration: declaration.number)


def files() -> dict[Path, str]:
    """Both files as they should be."""
    doap = doap_of(RFCS, declarations())
    return {
        DOAP_FILE: doap,
        PAGE_FILE: page_of(RFCS, declarations(), read_requirements(), claims_of(doap)),
    }


def complaints_of_all() -> list[str]:
    """Tell all that is wrong, empty when nothing is."""
    # Of RFCs only those with a file are listed: the tests of the others are by section already (xmpp_core).
    requirements = read_requirements()
    rfcs = [rfc for rfc in RFCS if f"rfc_{rfc.number:04}" in requirements]
    drift = [
        f"{path.name} is not as it would be written: run `make claims`"
        for path, text in files().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    return [*complaints([*rfcs, *declarations()], requirements), *drift]
