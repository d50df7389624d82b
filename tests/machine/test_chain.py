"""The entry chain and the state hash."""

from __future__ import annotations

import pytest

from raftline.base.ids import LogIndex, Term
from raftline.machine.chain import CHAIN_START, DIGEST_SIZE, command_digest, extend_entry_chain, extend_state_hash

BASE = (CHAIN_START, LogIndex(1), Term(1), 5, [command_digest(b"one", b"s"), command_digest(b"two", b"s")])


@pytest.mark.parametrize(
    "changed",
    [
        (b"\1" * DIGEST_SIZE, *BASE[1:]),
        (BASE[0], LogIndex(2), *BASE[2:]),
        (*BASE[:2], Term(2), *BASE[3:]),
        (*BASE[:3], 6, BASE[4]),
        (*BASE[:4], BASE[4][::-1]),
        (*BASE[:4], BASE[4][:1]),
        (*BASE[:4], [*BASE[4], BASE[4][0]]),
    ],
)
def test_the_entry_chain_covers_every_part(changed):
    """Head, index, term, time, order and number of commands each change the chain."""
    assert extend_entry_chain(*changed) != extend_entry_chain(*BASE)


def test_releases_agree():
    """Nodes of different releases compare these with one another, so their form can only change with a version."""
    assert command_digest(b"one", b"s").hex().startswith("f846436e03a0033d")
    assert extend_entry_chain(*BASE).hex().startswith("6988e0793977208a")
    assert extend_state_hash(CHAIN_START, LogIndex(1), Term(1), [b"a"]).hex().startswith("f2d7a01536ea206a")


def test_a_command_digest_is_salted():
    """The same command under another salt has another digest, and each byte counts."""
    assert command_digest(b"one", b"s") != command_digest(b"one", b"t")
    assert command_digest(b"one", b"s") != command_digest(b"onf", b"s")
    assert len(command_digest(b"one", b"s" * 500)) == DIGEST_SIZE


def test_the_state_hash_covers_index_term_and_changes():
    """Two histories with the same rows at other places in the log differ, and so do two that differed before."""
    base = extend_state_hash(CHAIN_START, LogIndex(1), Term(1), [b"a"])
    assert extend_state_hash(CHAIN_START, LogIndex(2), Term(1), [b"a"]) != base
    assert extend_state_hash(CHAIN_START, LogIndex(1), Term(2), [b"a"]) != base
    assert extend_state_hash(CHAIN_START, LogIndex(1), Term(1), [b"b"]) != base
    assert extend_state_hash(b"\1" * DIGEST_SIZE, LogIndex(1), Term(1), [b"a"]) != base
