"""Fixtures of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from machine.world import World


@pytest.fixture
def new_world() -> Iterator[Callable[..., World]]:
    """Make worlds; they are closed at the end."""
    worlds: list[World] = []

    def make(path: Path | str = ":memory:") -> World:
        worlds.append(World(path))
        return worlds[-1]

    yield make
    for world in worlds:
        world.machine.close()


@pytest.fixture
def world(new_world: Callable[..., World]) -> World:
    """One machine with the accounts alice, bob and carol."""
    made = new_world()
    for localpart in ("alice", "bob", "carol"):
        made.account(localpart)
    return made
