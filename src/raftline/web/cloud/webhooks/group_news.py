"""
What has become of a group, in the shape of the Cloud API's webhooks for groups. Pure.

| field | types |
|---|---|
| `group_lifecycle_update` | `group_create`, `group_delete` |
| `group_settings_update` | `group_settings_update` |
| `group_participants_update` | `group_participants_add`, `group_participants_remove`, `group_join_request_created`, `group_join_request_revoked` |

`request_id` is that of the answer to the request by which a program did it; without one people did.
"""  # noqa: E501 - a row of a table is one line

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from raftline.machine.business.group_values import GroupNews, GroupNewsKind
from raftline.machine.business.ids import group_id
from raftline.web.cloud.group_views import join_request_id, mode_of, shown_person

if TYPE_CHECKING:
    from raftline.machine.business.tables import BusinessEvent

_LIFECYCLE: Final = "group_lifecycle_update"
_SETTINGS: Final = "group_settings_update"
_PARTICIPANTS: Final = "group_participants_update"

_FIELDS: Final = {
    GroupNewsKind.CREATED: (_LIFECYCLE, "group_create"),
    GroupNewsKind.DELETED: (_LIFECYCLE, "group_delete"),
    GroupNewsKind.CHANGED: (_SETTINGS, "group_settings_update"),
    GroupNewsKind.JOINED: (_PARTICIPANTS, "group_participants_add"),
    GroupNewsKind.LEFT: (_PARTICIPANTS, "group_participants_remove"),
    GroupNewsKind.REQUESTED: (_PARTICIPANTS, "group_join_request_created"),
    GroupNewsKind.REQUEST_OVER: (_PARTICIPANTS, "group_join_request_revoked"),
}


def group_news(event: BusinessEvent) -> tuple[str, dict[str, Any]]:
    """Return the field of the webhook of an event of kind GROUP, and what is told there of the group."""
    news = msgspec.msgpack.decode(event.detail, type=GroupNews)
    kind = GroupNewsKind(news.kind)
    field, name = _FIELDS[kind]
    told: dict[str, Any] = {
        "timestamp": str(event.time_ms // 1000),
        "group_id": group_id(event.room),
        "type": name,
    }
    if news.request_id:
        told["request_id"] = news.request_id
    return field, told | _content(kind, news)


def _content(kind: GroupNewsKind, news: GroupNews) -> dict[str, Any]:
    people = [shown_person(person.localpart, person.account_id) for person in news.people]
    match kind:
        case GroupNewsKind.CREATED:
            shown = {"subject": news.subject, "join_approval_mode": mode_of(join_requests=news.join_requests)}
            return shown | ({"description": news.description} if news.description else {})
        case GroupNewsKind.CHANGED:
            return _settings(news)
        case GroupNewsKind.JOINED:
            return {"added_participants": people}
        case GroupNewsKind.LEFT:
            by = "business" if news.request_id else "participant"
            return {"initiated_by": by, "removed_participants": people}
        case GroupNewsKind.REQUESTED | GroupNewsKind.REQUEST_OVER:
            return {"join_request_id": join_request_id(news.people[0].localpart), **people[0]}
        case GroupNewsKind.DELETED:
            return {}


def _settings(news: GroupNews) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if news.subject is not None:
        shown["group_subject"] = {"text": news.subject, "update_successful": True}
    if news.description is not None:
        shown["group_description"] = {"text": news.description, "update_successful": True}
    if news.picture:
        shown["profile_picture"] = {"mime_type": "image/jpeg", "update_successful": True}
    return shown
