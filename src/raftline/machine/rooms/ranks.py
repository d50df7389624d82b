"""
Affiliations, roles and who may change them: the privilege tables of XEP-0045 as data.

An affiliation lasts; a role lasts as long as the visit. What a table does not grant is refused.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final


class Affiliation(enum.IntEnum):
    """Lasting relation of an account to a room, the lowest first (section 5.2)."""

    OUTCAST = 0
    NONE = 1
    MEMBER = 2
    ADMIN = 3
    OWNER = 4


class Role(enum.IntEnum):
    """What somebody may do while they are in the room, the lowest first (section 5.1)."""

    NONE = 0
    VISITOR = 1
    PARTICIPANT = 2
    MODERATOR = 3


_OUTCAST, _NONE, _MEMBER, _ADMIN, _OWNER = Affiliation
_ABSENT, _VISITOR, _PARTICIPANT, _MODERATOR = Role

MAY_CHANGE_AFFILIATION: Final[Mapping[int, frozenset[int]]] = MappingProxyType(
    {
        _ADMIN: frozenset({_OUTCAST, _NONE, _MEMBER}),
        _OWNER: frozenset(Affiliation),
    }
)
"""By the actor's affiliation: what another's may be before the change, and after it (section 5.2.1 and 9, 10)."""

MAY_CHANGE_ROLE: Final[Mapping[tuple[int, int], tuple[int, int]]] = MappingProxyType(
    {
        # kicked (section 8.2)
        (_VISITOR, _ABSENT): (_NONE, _MODERATOR),
        (_PARTICIPANT, _ABSENT): (_NONE, _MODERATOR),
        (_MODERATOR, _ABSENT): (_NONE, _MODERATOR),
        # voice granted, revoked (sections 8.3, 8.4)
        (_VISITOR, _PARTICIPANT): (_NONE, _MODERATOR),
        (_PARTICIPANT, _VISITOR): (_NONE, _MODERATOR),
        # made a moderator, and no longer (sections 9.6, 9.7)
        (_VISITOR, _MODERATOR): (_ADMIN, _ABSENT),
        (_PARTICIPANT, _MODERATOR): (_ADMIN, _ABSENT),
        (_MODERATOR, _PARTICIPANT): (_ADMIN, _ABSENT),
        (_MODERATOR, _VISITOR): (_ADMIN, _ABSENT),
    }
)
"""By role before and after: the affiliation and the role that the actor needs, both of them (section 5.1.1)."""

ROLE_OF_AFFILIATION: Final[Mapping[int, int]] = MappingProxyType(
    {_OUTCAST: _ABSENT, _NONE: _PARTICIPANT, _MEMBER: _PARTICIPANT, _ADMIN: _MODERATOR, _OWNER: _MODERATOR}
)
"""Role that an affiliation brings on entering (section 5.1.2)."""


def initial_role(affiliation: int, *, moderated: bool, announces: bool = False) -> int:
    """
    Return the role on entering: without an affiliation nobody has voice in a moderated room (section 5.1.2).

    Args:
        announces: Members have none either.
    """
    if (moderated and affiliation == _NONE) or (announces and _NONE <= affiliation < _ADMIN):
        return int(_VISITOR)
    return int(ROLE_OF_AFFILIATION[affiliation])


def role_after(
    affiliation_before: int, affiliation: int, role: int, *, moderated: bool, announces: bool = False
) -> int:
    """
    Return the role of somebody in the room whose affiliation changed.

    Up brings the role of the new affiliation unless the present one is higher. Down from admin or owner takes the
    role of a moderator away (sections 9.3, 9.7, 10.3 to 10.8).
    """
    brought = initial_role(affiliation, moderated=moderated, announces=announces)
    if affiliation_before >= _ADMIN > affiliation:
        return brought
    return brought if affiliation == _OUTCAST else max(brought, role)


def is_shielded(actor_affiliation: int, affiliation: int) -> bool:
    """
    Whether somebody's role is out of an actor's reach: who ranks as high cannot be kicked, silenced or demoted.

    Source: sections 8.2, 8.4, 9.7. Owners and admins are shielded from one another alike, and members from nobody
    but those who are not even members.
    """
    if affiliation >= _ADMIN:
        return affiliation >= actor_affiliation
    return affiliation > actor_affiliation


def may_read_list(wanted: int, affiliation: int, role: int, *, sees_addresses: bool, list_roles: int) -> bool:
    """
    Whether somebody may read who has an affiliation (sections 9.2, 9.5, 9.8, 10.5, 10.8).

    Admins and owners read all. Others who are inside read who belongs to the room, if the settings let their role, and
    where they see real addresses anyhow.

    Args:
        wanted: The affiliation whose list it is.
        sees_addresses: Everyone in the room sees everyone's address.
        list_roles: As in settings.RoomSettings.
    """
    if affiliation >= _ADMIN:
        return True
    sees = sees_addresses or role == _MODERATOR
    return wanted > _NONE and role > _ABSENT and sees and bool(list_roles >> role & 1)
