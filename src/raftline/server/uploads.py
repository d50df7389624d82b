"""Uploaded files in settings and metrics."""

from __future__ import annotations

import importlib.util
import os

from raftline.base.errors import ConfigError
from raftline.base.limits import UPLOAD_TOKEN_SIZE
from raftline.cluster.media.metrics import MediaMetrics
from raftline.cluster.media.objects.bucket import BucketSettings
from raftline.server.config import NodeSettings
from raftline.server.config_file import read_secret
from raftline.xmpp.xeps.xep_0363_http_upload import UploadService

_DAY_MS = 24 * 60 * 60 * 1000


def upload_service(settings: NodeSettings) -> UploadService:
    """Return what the settings offer, with the chance of this machine."""
    media = settings.media
    return UploadService(
        base_url=lambda: files_url(settings),
        draw_token=lambda: os.urandom(UPLOAD_TOKEN_SIZE),
        size_max=media.size_max,
        bytes_max=media.account_bytes_max,
        file_count_max=media.account_file_count_max,
        keep_ms=media.keep_days * _DAY_MS,
        refused_types=media.refused_types,
    )


def bucket_of(settings: NodeSettings) -> BucketSettings | None:
    """
    Return where uploaded files are kept; None for the nodes' own disks.

    Raises:
        ConfigError: The file with the secret cannot be read, or the library is not installed.
    """
    s3 = settings.media.s3
    if settings.media.storage != "s3":
        return None
    if importlib.util.find_spec("obstore") is None:
        raise ConfigError("media.storage", "is s3, which needs an extra that is not installed: raftline[s3]")
    assert s3.secret_key_file is not None, "config_file has checked"
    secret = read_secret("media.s3.secret_key_file", s3.secret_key_file)
    return BucketSettings(s3.endpoint, s3.bucket, s3.region, s3.prefix, s3.access_key_id, secret)


def files_url(settings: NodeSettings) -> str:
    """Return what addresses of uploaded files begin with."""
    return settings.media.public_url or settings.own.http_url


def media_figures(metrics: MediaMetrics) -> dict[str, object]:
    """Name the figures of uploaded files; names that end in `_total` are counters since the start of the process."""
    return {
        "uploads_total": metrics.kept_count,
        "files_fetched_total": metrics.fetched_count,
        "fetch_failures_total": metrics.fetch_failure_count,
        "sent_bytes_total": metrics.sent_bytes,
        "received_bytes_total": metrics.received_bytes,
        "files_missing": metrics.missing_count,
        "files_deleted_total": metrics.deleted_count,
        "files_damaged_total": metrics.damaged_count,
        "files_described_total": metrics.described_count,
        "files_undescribable_total": metrics.undescribable_count,
    }
