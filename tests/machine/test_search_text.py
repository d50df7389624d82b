"""What of a message archives can be searched for (XEP-0431)."""

from __future__ import annotations

import pytest

from raftline.base.limits import SEARCHED_TEXT_SIZE_MAX
from raftline.machine.history.search_text import SearchText, search_text

PEOPLE = ("alice@example.org", "bob@example.org")


def message(children: str) -> bytes:
    return f"<message from='alice@example.org/phone' to='bob@example.org'>{children}</message>".encode()


@pytest.mark.parametrize(
    ("children", "body"),
    [
        ("<body>tea</body>", "tea"),
        ("<thread>t</thread><body>tea</body><subject>coffee</subject>", "tea"),
        ("<a xmlns='urn:a'><b>deep</b></a><body>tea</body><c xmlns='urn:c'/>", "tea"),
        ("<body>tea</body><body xml:lang='de'>Tee</body>", "tea\nTee"),
        ("<body> tea &amp; milk </body>", "tea & milk"),
        ("<html xmlns='urn:h'><body xmlns='urn:b'>no</body></html><body>tea</body>", "tea"),
        (f"<body>{'x' * SEARCHED_TEXT_SIZE_MAX}y</body>", "x" * SEARCHED_TEXT_SIZE_MAX),
    ],
)
def test_the_text_of_bodies(children: str, body: str) -> None:
    """Wherever among the children they stand, and of nothing else."""
    assert search_text(message(children)) == SearchText(PEOPLE, body)


@pytest.mark.parametrize(
    "children",
    [
        "<thread>t</thread>",
        "<body/>",
        "<body> </body>",
        "<a xmlns='urn:a'><body>deep</body></a>",
        "<body xmlns='urn:b'>foreign</body>",
        "<body>x</body><encryption xmlns='urn:xmpp:eme:0' namespace='urn:e'/>",
        "<encrypted xmlns='urn:xmpp:omemo:2'/><body>x</body>",
        "<body>x</body><no-permanent-store xmlns='urn:xmpp:hints'/>",
        "<retract xmlns='urn:xmpp:message-retract:1' id='i'/><body>x</body>",
        "<body>?OTRv2?</body>",
        "<body>unfinished",
    ],
)
def test_nothing(children: str) -> None:
    """Of messages without a text, of encrypted ones, and of what is not to be kept."""
    assert search_text(message(children)) is None
