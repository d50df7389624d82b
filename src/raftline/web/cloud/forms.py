"""
Forms with files (RFC 7578), as they come: what is a file goes to a sink chunk by chunk, the rest is small and kept.

The order of parts is the sender's: clients here send the file first and say afterwards what it is. No more than a
chunk of a file is in memory, and neither names nor values grow beyond a limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from raftline.base.cloud_limits import (
    CLOUD_DRAIN_BYTES_MAX,
    CLOUD_FORM_PART_COUNT_MAX,
    CLOUD_FORM_VALUE_BYTES_MAX,
)
from raftline.node.intake import IDLE_SECONDS, Refusal
from raftline.web.cloud.errors import Code, GraphError

if TYPE_CHECKING:
    from starlette.requests import Request

_FORM_TYPE: Final = b"multipart/form-data"

# It warns of each form that breaks the rules; who sent it is told, and the log is no place for that.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


class Part(NamedTuple):
    """
    The head of a part.

    Attributes:
        filename: None for a part that is no file.
        content_type: As it is said; empty when it is not.
    """

    name: str
    filename: str | None
    content_type: str


class Sink(Protocol):
    """Takes the one file of a form."""

    async def open(self, part: Part) -> None:
        """Begin; what it raises refuses the form."""

    async def write(self, data: bytes) -> None:
        """Take what follows; what it raises refuses the form."""


async def read_form(request: Request, sink: Sink, file_name: str) -> dict[str, str]:
    """
    Read a form to its end: the part `file_name` goes to the sink, the values of all others are returned.

    A form that is refused is read on for a while, so that a client which sends first and listens then hears why.

    Raises:
        GraphError: It is no form, breaks off, is too large in what is no file, or has a file twice.
        Refusal: Nothing came for a while; whatever the sink raises.
    """
    chunks = paced(request.stream())
    try:
        return await _read(chunks, request.headers.get("content-type", ""), sink, file_name)
    except (GraphError, Refusal):
        await drain(chunks)
        raise


async def paced(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """
    Yield what comes.

    Raises:
        Refusal: Nothing came for a while.
    """
    iterator = chunks.__aiter__()
    while True:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                chunk = await anext(iterator, None)
        except TimeoutError:
            raise Refusal(408, "remote-server-timeout", "Nothing came for a while.") from None
        if chunk is None:
            return
        yield chunk


async def drain(chunks: AsyncIterator[bytes]) -> None:
    """Read some more of a body that nobody wants."""
    read_bytes = 0
    with contextlib.suppress(Refusal):
        async for chunk in chunks:
            read_bytes += len(chunk)
            if read_bytes > CLOUD_DRAIN_BYTES_MAX:
                return


async def _read(chunks: AsyncIterator[bytes], content_type: str, sink: Sink, file_name: str) -> dict[str, str]:
    values: dict[str, bytearray] = {}
    current: bytearray | None = None
    has_file = False
    async for event in _events(chunks, content_type):
        if isinstance(event, Part):
            if event.name == file_name:
                if has_file:
                    raise GraphError(Code.INVALID_PARAMETER, f"The form has more than one {file_name}.")
                has_file, current = True, None
                await sink.open(event)
                continue
            if len(values) >= CLOUD_FORM_PART_COUNT_MAX:
                raise GraphError(Code.INVALID_PARAMETER, f"A form has at most {CLOUD_FORM_PART_COUNT_MAX} values.")
            current = values[event.name] = bytearray()
        elif current is None:
            await sink.write(event)
        else:
            current += event
            if len(current) > CLOUD_FORM_VALUE_BYTES_MAX:
                details = f"A value of a form has at most {CLOUD_FORM_VALUE_BYTES_MAX} bytes."
                raise GraphError(Code.INVALID_PARAMETER, details)
    try:
        return {name: value.decode() for name, value in values.items()}
    except UnicodeDecodeError:
        raise GraphError(Code.INVALID_PARAMETER, "A value of the form is no text.") from None


async def _events(chunks: AsyncIterator[bytes], content_type: str) -> AsyncIterator[Part | bytes]:
    """Yield the head of each part, and the bytes of it after that."""
    parsed = _Parsed()
    parser = _parser_of(content_type, parsed)
    async for chunk in chunks:
        try:
            parser.write(chunk)
        except FormParserError as error:
            raise GraphError(Code.INVALID_PARAMETER, "The body is no form that can be read.") from error
        for event in parsed.events:
            yield event
        parsed.events.clear()
    if not parsed.has_ended:
        raise GraphError(Code.INVALID_PARAMETER, "The form breaks off before its end.")


def _parser_of(content_type: str, parsed: _Parsed) -> MultipartParser:
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != _FORM_TYPE or not boundary:
        details = "The body must be a form (Content-Type: multipart/form-data, with a boundary)."
        raise GraphError(Code.INVALID_PARAMETER, details, status=415)
    try:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": parsed.begin_part,
                "on_header_field": parsed.header_name,
                "on_header_value": parsed.header_value,
                "on_header_end": parsed.end_header,
                "on_headers_finished": parsed.end_headers,
                "on_part_data": parsed.data,
                "on_end": parsed.end,
            },
        )
    except FormParserError as error:
        raise GraphError(Code.INVALID_PARAMETER, "The boundary of the form is too long.") from error


class _Parsed:
    """What the parser has told since `events` were taken last. It bounds the size and number of headers itself."""

    def __init__(self) -> None:
        self.events: list[Part | bytes] = []
        self.has_ended = False
        self._name = bytearray()
        self._value = bytearray()
        self._headers: dict[str, str] = {}

    def begin_part(self) -> None:
        self._headers = {}

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def end_header(self) -> None:
        # Clients write names of files as UTF-8 (RFC 7578 section 5.1).
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode(errors="replace")
        self._name.clear()
        self._value.clear()

    def end_headers(self) -> None:
        # What parses headers reads latin-1, so the text makes a detour.
        raw = self._headers.get("content-disposition", "").encode().decode("latin-1")
        _, options = parse_options_header(raw)
        filename = options.get(b"filename")
        self.events.append(
            Part(
                options.get(b"name", b"").decode(errors="replace"),
                None if filename is None else filename.decode(errors="replace"),
                self._headers.get("content-type", "").strip(),
            )
        )

    def data(self, data: bytes, start: int, end: int) -> None:
        self.events.append(data[start:end])

    def end(self) -> None:
        self.has_ended = True
