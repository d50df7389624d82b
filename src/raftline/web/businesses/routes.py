"""All routes of businesses."""

from __future__ import annotations

from starlette.routing import Route

from raftline.web.businesses.apps import Apps
from raftline.web.businesses.desk import Desk
from raftline.web.businesses.directory import Directory
from raftline.web.businesses.events import Events


def business_routes(desk: Desk) -> list[Route]:
    """Return them, each behind the administrator's token."""
    return [*Directory(desk).routes(), *Apps(desk).routes(), *Events(desk).routes()]
