"""People as programs name them, and as they are told of."""

from __future__ import annotations

from typing import cast

import pytest

from raftline.machine.business.queries import IdentityOf
from raftline.node.door import Node
from raftline.web.cloud.addressing import (
    ADDRESS_LENGTH_MAX,
    country_of,
    find_identity,
    localpart_of,
    person_of,
)
from web.cloud.door import ANN_BSUID, BEN_BSUID, CloudDoor


@pytest.mark.parametrize(
    ("text", "localpart"),
    [
        ("15551234567", "15551234567"),
        ("+1 (555) 123-4567", "15551234567"),
        ("ben", "ben"),
        ("Ben", "ben"),
        ("ben@example.org", "ben"),
        ("15551234567@example.org", "15551234567"),
        ("ben@elsewhere.org", None),
        ("ben@example.org/phone", None),
        ("example.org", "example.org"),
        ("@example.org", None),
        ("be n", None),
        ("", None),
        ("+", "+"),
        ("x" * ADDRESS_LENGTH_MAX, None),
        ("1" * (ADDRESS_LENGTH_MAX + 1), None),
    ],
)
def test_who_is_meant(text: str, localpart: str | None) -> None:
    """Numbers are read however they are grouped; names and bare JIDs of this domain are prepared."""
    assert localpart_of(text, "example.org") == localpart


@pytest.mark.parametrize(
    ("digits", "country"),
    [
        ("15551234567", "US"),
        ("14165550123", "CA"),
        ("4930123456", "DE"),
        ("442079460123", "GB"),
        ("999123", "ZZ"),
        ("80012345678", "ZZ"),
        ("1", "ZZ"),
        ("", "ZZ"),
    ],
)
def test_the_country_of_a_number(digits: str, country: str) -> None:
    """Countries are those of the numbering plan; none for what is no number, or of no country."""
    assert country_of(digits) == country


async def test_people_are_found(door: CloudDoor) -> None:
    """By number, by BSUID whatever its country says, by name; not by what nobody has."""
    node = cast("Node", door)
    for text in ("+15551234567", ANN_BSUID, "ZZ" + ANN_BSUID[2:]):
        found = await find_identity(node, text)
        assert found is not None
        assert found.localpart == "15551234567"
    for text in ("15559999999", "US.10000000000000999", "US.ENT.10000000000000101", "nobody"):
        assert await find_identity(node, text) is None
    door.hidden = {IdentityOf}
    assert await find_identity(node, "ben") is not None, "another node knows already"


async def test_people_are_shown(door: CloudDoor) -> None:
    """Everybody has a BSUID, and only numbers have a number."""
    ann, ben = person_of(door.people["15551234567"]), person_of(door.people["ben"])
    assert ann.as_contact("+1 555") == {"input": "+1 555", "wa_id": "15551234567", "user_id": ANN_BSUID}
    assert ben.as_contact("ben") == {"input": "ben", "user_id": BEN_BSUID}
