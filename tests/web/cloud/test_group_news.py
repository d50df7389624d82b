"""What has become of groups, as webhooks tell it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from raftline.base.ids import AccountId
from raftline.machine.business.group_values import GroupNews, GroupNewsKind, GroupPerson
from raftline.machine.business.ids import bsuid, group_id
from raftline.machine.business.tables import EventKind
from raftline.machine.business.values import EventView
from raftline.web.cloud.group_views import join_request_id, who_asks
from raftline.web.cloud.webhooks.rendering import render
from web.cloud.webhook_samples import NUMBER, SERVICE, TIME_MS, event_of

ANN = GroupPerson("15551234567", AccountId(42))
BEN = GroupPerson("ben", AccountId(43))
ANN_SHOWN = {"wa_id": "15551234567", "user_id": bsuid("US", AccountId(42))}
BEN_SHOWN = {"user_id": bsuid("ZZ", AccountId(43))}


def told(kind: GroupNewsKind, **fields: Any) -> tuple[str, dict[str, Any]]:
    """Return field and content of the webhook for some news."""
    detail = msgspec.msgpack.encode(GroupNews(int(kind), **fields))
    peer = "team@conference.example.org"
    view = EventView(event_of(kind=EventKind.GROUP, peer=peer, room="team", detail=detail), None, 0)
    first, second = (render(view, NUMBER, SERVICE, {}) for _ in range(2))
    assert first == second, "repetitions are told by their bytes"
    (entry,) = msgspec.json.decode(first)["entry"]
    (change,) = entry["changes"]
    value = change["value"]
    assert value["metadata"] == {"display_phone_number": "15550001111", "phone_number_id": "300000000000007"}
    (group,) = value["groups"]
    assert group.pop("group_id") == group_id("team")
    assert group.pop("timestamp") == str(TIME_MS // 1000)
    return change["field"], group


@pytest.mark.parametrize(
    ("kind", "fields", "field", "content"),
    [
        (
            GroupNewsKind.CREATED,
            {"request_id": "r", "subject": "Team", "description": "All"},
            "group_lifecycle_update",
            {
                "type": "group_create",
                "request_id": "r",
                "subject": "Team",
                "description": "All",
                "join_approval_mode": "auto_approve",
            },
        ),
        (
            GroupNewsKind.CREATED,
            {"request_id": "r", "subject": "Team", "join_requests": True},
            "group_lifecycle_update",
            {
                "type": "group_create",
                "request_id": "r",
                "subject": "Team",
                "join_approval_mode": "approval_required",
            },
        ),
        (
            GroupNewsKind.DELETED,
            {"request_id": "r"},
            "group_lifecycle_update",
            {"type": "group_delete", "request_id": "r"},
        ),
        (
            GroupNewsKind.CHANGED,
            {"request_id": "r", "subject": "Team", "description": "", "picture": True},
            "group_settings_update",
            {
                "type": "group_settings_update",
                "request_id": "r",
                "group_subject": {"text": "Team", "update_successful": True},
                "group_description": {"text": "", "update_successful": True},
                "profile_picture": {"mime_type": "image/jpeg", "update_successful": True},
            },
        ),
        (
            GroupNewsKind.CHANGED,
            {"request_id": "r", "subject": "Team"},
            "group_settings_update",
            {
                "type": "group_settings_update",
                "request_id": "r",
                "group_subject": {"text": "Team", "update_successful": True},
            },
        ),
        (
            GroupNewsKind.JOINED,
            {"people": (ANN,)},
            "group_participants_update",
            {"type": "group_participants_add", "added_participants": [ANN_SHOWN]},
        ),
        (
            GroupNewsKind.LEFT,
            {"people": (ANN, BEN), "request_id": "r"},
            "group_participants_update",
            {
                "type": "group_participants_remove",
                "request_id": "r",
                "initiated_by": "business",
                "removed_participants": [ANN_SHOWN, BEN_SHOWN],
            },
        ),
        (
            GroupNewsKind.LEFT,
            {"people": (BEN,)},
            "group_participants_update",
            {
                "type": "group_participants_remove",
                "initiated_by": "participant",
                "removed_participants": [BEN_SHOWN],
            },
        ),
        (
            GroupNewsKind.REQUESTED,
            {"people": (ANN,)},
            "group_participants_update",
            {"type": "group_join_request_created", "join_request_id": join_request_id(ANN.localpart), **ANN_SHOWN},
        ),
        (
            GroupNewsKind.REQUEST_OVER,
            {"people": (BEN,)},
            "group_participants_update",
            {"type": "group_join_request_revoked", "join_request_id": join_request_id("ben"), **BEN_SHOWN},
        ),
    ],
)
def test_news(kind: GroupNewsKind, fields: dict[str, Any], field: str, content: dict[str, Any]) -> None:
    """Each kind has a field and a type, and what belongs to it."""
    assert told(kind, **fields) == (field, content)


@pytest.mark.parametrize("localpart", ["ben", "15551234567", "küche"])
def test_join_request_ids(localpart: str) -> None:
    """The id of a request names who makes it."""
    assert who_asks(join_request_id(localpart)) == localpart
