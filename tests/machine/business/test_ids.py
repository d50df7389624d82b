"""Names of the graph (machine/business/ids): written, read back, told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftline.base.ids import AccountId, Epochs, Position
from raftline.machine.business.ids import (
    GraphKind,
    bsuid,
    graph_id,
    group_id,
    media_id,
    parse_bsuid,
    parse_graph_id,
    parse_group_id,
    parse_media_id,
    parse_wamid,
    wamid,
)

KINDS = st.sampled_from([kind for kind in GraphKind if kind != GraphKind.FILE])
COUNTS = st.integers(0, 10**14 - 1)
POSITIONS = st.integers(0, (1 << 63) - 1)


@given(KINDS, COUNTS)
def test_graph_ids_are_digits_that_tell_their_kind(kind: GraphKind, number: int):
    """And nothing else reads as one of them."""
    text = graph_id(kind, number)
    assert text.isdigit()
    assert parse_graph_id(text) == (kind, number)
    assert parse_media_id(text) is None
    assert parse_group_id(text) is None


@given(st.binary(min_size=16, max_size=16))
def test_files_are_named_by_their_token(token: bytes):
    """In digits alone, which programs tell media ids by."""
    text = media_id(token)
    assert text.isdigit()
    assert parse_media_id(text) == token
    assert parse_graph_id(text) is None


@given(st.integers(1, 10**15))
def test_bsuids(account_id: int):
    """The country is for people."""
    assert parse_bsuid(bsuid("ZZ", AccountId(account_id))) == account_id
    assert parse_bsuid(bsuid("US", AccountId(account_id))) == account_id


@given(st.integers(0, 1 << 31), POSITIONS)
def test_wamids_are_stanza_ids(epoch: int, position: int):
    """Both ways, without a table."""
    assert parse_wamid(wamid(Epochs(epoch), Position(position))) == (epoch, position)


@given(st.text(min_size=1, max_size=100))
def test_groups_never_look_like_numbers(room: str):
    """Whatever the room is called."""
    text = group_id(room)
    assert parse_group_id(text) == room
    assert not text.isdigit()


@pytest.mark.parametrize(
    "text", ["", "1", "9" * 15, "1²345678901234", "4" + "9" * 39, "g_!", "wamid.!", "ZZ.5", "g_/w=="]
)
def test_what_nobody_wrote(text: str):
    """Is none of them."""
    readers = (parse_graph_id, parse_media_id, parse_bsuid, parse_wamid)
    assert [reader(text) for reader in readers] == [None] * 4
