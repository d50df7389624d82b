"""Where a node keeps uploaded files: on the disks of the nodes, or in a store beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from raftline.cluster.media.media import Media
from raftline.cluster.media.objects.bucket import Bucket
from raftline.cluster.media.objects.media import ObjectMedia

if TYPE_CHECKING:
    from raftline.cluster.chores import Chores
    from raftline.cluster.driver import Driver
    from raftline.cluster.links import PeerLinks
    from raftline.cluster.storage import NodeStorage


def open_files(
    driver: Driver, storage: NodeStorage, links: PeerLinks, chores: Chores, entropy: Callable[[int], bytes]
) -> Media | ObjectMedia:
    """Open what the settings choose; all nodes of a cluster choose the same."""
    bucket = storage.settings.bucket
    if bucket is None:
        return Media(driver, storage, links, chores)
    return ObjectMedia(driver, storage, Bucket(bucket), chores, entropy)
