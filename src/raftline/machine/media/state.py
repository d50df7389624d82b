"""The tables of uploads, and what is derived from them."""

from __future__ import annotations

from typing import Final

from raftline.machine.media.tables import STORED_FILE, UPLOAD, UPLOAD_USE, StoredFile, Upload, UploadUse
from raftline.machine.rows import RowStore


class MediaState:
    """
    Tables, and when the next row is due.

    The derived time spares a look at the table with each entry: it is never later than the true one, and None where
    nobody knows.
    """

    def __init__(self, rows: RowStore) -> None:
        self._rows = rows
        self.uploads: Final = rows.table(UPLOAD, Upload._make)
        self.uses: Final = rows.table(UPLOAD_USE, UploadUse._make)
        self.files: Final = rows.table(STORED_FILE, StoredFile._make)
        self._next_due_ms: int | None = None

    def put(self, upload: Upload) -> None:
        """Write a slot or a file."""
        self.uploads.put(upload.token, upload)
        if upload.due_ms and self._next_due_ms is not None:
            self._next_due_ms = min(self._next_due_ms, upload.due_ms)

    def due(self, time_ms: int, limit: int) -> list[Upload]:
        """Return rows whose time has come, the longest overdue first, at most `limit`."""
        if self._next_due_ms is not None and time_ms < self._next_due_ms:
            return []
        sql = "SELECT * FROM upload WHERE due_ms > 0 ORDER BY due_ms, token LIMIT ?"
        found = [Upload._make(row) for row in self._rows.select((self.uploads,), sql, (limit,))]
        over = [upload for upload in found if upload.due_ms <= time_ms]
        if len(over) == len(found):
            # Others may be due as well, unless these were all there are.
            self._next_due_ms = None if len(found) == limit else _NEVER
        else:
            self._next_due_ms = found[len(over)].due_ms
        return over

    def drop_derived(self) -> None:
        """Forget what is derived from rows."""
        self._next_due_ms = None


_NEVER: Final = 1 << 63
