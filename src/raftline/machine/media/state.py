"""The tables of uploads."""

from __future__ import annotations

from typing import Final

from raftline.machine.media.tables import (
    FILE_DESCRIPTION,
    STORED_FILE,
    UNDESCRIBED_FILE,
    UPLOAD,
    UPLOAD_USE,
    FileDescription,
    StoredFile,
    UndescribedFile,
    Upload,
    UploadUse,
)
from raftline.machine.rows import RowStore


class MediaState:
    """One for each machine."""

    def __init__(self, rows: RowStore) -> None:
        self.uploads: Final = rows.table(UPLOAD, Upload._make)
        self.uses: Final = rows.table(UPLOAD_USE, UploadUse._make)
        self.files: Final = rows.table(STORED_FILE, StoredFile._make)
        self.descriptions: Final = rows.table(FILE_DESCRIPTION, FileDescription._make)
        self.undescribed: Final = rows.table(UNDESCRIBED_FILE, UndescribedFile._make)
