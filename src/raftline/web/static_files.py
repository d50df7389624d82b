"""
The files of the web pages, in the smallest form that a browser takes, and kept by browsers as long as they stay true.

`make setup` writes a `.br` and a `.gz` beside the files that get smaller by it (scripts/compress_static.mjs). A file
under a name that changes with what it holds (`built/assets/NAME-HASH.js`, `converse-VERSION/`) may be kept for good; of
the others a browser asks each time whether they changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

FOR_GOOD: Final = "public, max-age=31536000, immutable"
ASK: Final = "no-cache"
_NAMED_BY_CONTENT: Final = re.compile(r"built/assets/|converse-[0-9][^/]*/")
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
_REFUSED: Final = re.compile(r";\s*q=0(\.0{0,3})?\s*$")


class PageFiles(StaticFiles):
    """Serves a folder of files. 404 for what is none, and for the compressed forms by themselves."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer a request for a path below the folder."""
        if Path(path).suffix in {suffix for _, suffix in _ENCODINGS}:
            return Response(status_code=404)
        response = await super().get_response(path, scope)
        if response.status_code != 200 or not isinstance(response, FileResponse):
            return response
        return file_reply(Path(response.path), Request(scope).headers, _keeping(path))


def file_reply(path: Path, headers: Mapping[str, str], keeping: str = ASK) -> Response:
    """
    Answer with a file in the best form that the request accepts (RFC 9110 section 12.5.3); 304 to who has it (13.1.2).

    Args:
        headers: Of the request.
        keeping: How long it may be kept (RFC 9111 section 5.2).
    """
    accepted = set(_accepted_encodings(headers.get("accept-encoding", "")))
    reply_headers = {"Cache-Control": keeping, "Vary": "Accept-Encoding"}
    media_type = FileResponse(path).media_type
    for encoding, suffix in _ENCODINGS:
        packed = path.with_name(path.name + suffix)
        if encoding in accepted and packed.is_file():
            path = packed
            reply_headers["Content-Encoding"] = encoding
            break
    reply = FileResponse(path, headers=reply_headers, media_type=media_type, stat_result=path.stat())
    known = {tag.strip().removeprefix("W/") for tag in headers.get("if-none-match", "").split(",")}
    return NotModifiedResponse(reply.headers) if reply.headers["etag"] in known else reply


def built_page(static_directory: Path, name: str, headers: Mapping[str, str]) -> Response:
    """Answer with a page of `frontend/`, as `file_reply` does; 503 from a source tree in which it was not built."""
    page = static_directory / "built" / name / "index.html"
    if not page.is_file():
        return PlainTextResponse("The web pages are not built: run `make setup`.", 503)
    return file_reply(page, headers)


def _keeping(path: str) -> str:
    return FOR_GOOD if _NAMED_BY_CONTENT.match(path) else ASK


def _accepted_encodings(header: str) -> Iterator[str]:
    for item in header.split(","):
        name = item.split(";")[0].strip().lower()
        if name and not _REFUSED.search(item):
            yield name
