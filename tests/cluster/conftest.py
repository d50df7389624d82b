"""
Makes what the tests of cluster and node share importable as `cluster.<module>`, and names their event loops.

Nodes run on uvloop; the links work on asyncio's own loop as well.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import pytest_asyncio
import uvloop

TESTS = str(Path(__file__).resolve().parents[1])
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)


@pytest_asyncio.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """Stop the nodes of a test, also of one that failed before it did."""
    from cluster.clusters import stop_all

    yield
    await stop_all()


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Whole nodes on uvloop alone, links on both loops."""
    if item.path.name == "test_links.py":
        return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}
