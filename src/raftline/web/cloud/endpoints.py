"""The table of all endpoints of the Cloud API: each feature's file declares its own."""

from __future__ import annotations

from typing import Final

from raftline.web.cloud import (
    blocks,
    document,
    group_doors,
    groups,
    media,
    numbers,
    profile,
    refused,
    stream,
    subscriptions,
    templates,
    tokens,
    uploads,
)
from raftline.web.cloud.call import Edge, Endpoint
from raftline.web.cloud.routing import Cloud
from raftline.web.cloud.sending import messages

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *messages.ENDPOINTS,
    *media.ENDPOINTS,
    *uploads.ENDPOINTS,
    *blocks.ENDPOINTS,
    *profile.ENDPOINTS,
    *numbers.ENDPOINTS,
    *tokens.ENDPOINTS,
    *subscriptions.ENDPOINTS,
    *templates.ENDPOINTS,
    *groups.ENDPOINTS,
    *group_doors.ENDPOINTS,
    *stream.ENDPOINTS,
    *document.ENDPOINTS,
    *refused.ENDPOINTS,
)


def make_cloud(edge: Edge) -> Cloud:
    """Return the Cloud API of a node."""
    return Cloud(edge, ENDPOINTS)
