"""
XEP-0431 Full Text Search in MAM: a field of the archive's form (xep_0313_mam.py) that asks for words.

All words of the field must be in the body of a message, in any order and case, with or without accents;
`"side by side"` asks for a phrase and `begin*` for the beginning of a word. Encrypted messages are never found. How
the words are found is told in archive_search.py and machine/history/search.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raftline.xmpp.archive_search import SEARCH_NAMESPACE
from raftline.xmpp.module import Declaration

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules


def register(modules: Modules) -> None:
    """Announce the field (section 2.1)."""
    features = (SEARCH_NAMESPACE,)
    modules.declare(
        Declaration(
            number=431, title="Full Text Search in MAM", version="0.2.0", features=features, account_features=features
        )
    )
