"""The tables of uploads."""

from __future__ import annotations

from typing import Final

from raftline.machine.media.tables import STORED_FILE, UPLOAD, UPLOAD_USE, StoredFile, Upload, UploadUse
from raftline.machine.rows import RowStore


class MediaState:
    """One for each machine."""

    def __init__(self, rows: RowStore) -> None:
        self.uploads: Final = rows.table(UPLOAD, Upload._make)
        self.uses: Final = rows.table(UPLOAD_USE, UploadUse._make)
        self.files: Final = rows.table(STORED_FILE, StoredFile._make)
