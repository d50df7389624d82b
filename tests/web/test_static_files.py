"""The files of the pages: the form that a browser takes, and how long it keeps them."""

from __future__ import annotations

import gzip
from pathlib import Path

import httpx2
import pytest

from raftline.web.static_files import ASK, FOR_GOOD

SCRIPT = b"export const nothing = 0;\n" * 100


@pytest.fixture
def files(static_directory: Path) -> Path:
    """A script in three forms, named by what it holds, and the same under a name of its own."""
    folder = static_directory / "built" / "assets"
    folder.mkdir()
    for name in (folder / "page-0a1b2c3d.js", static_directory / "plain.js"):
        name.write_bytes(SCRIPT)
        name.with_name(name.name + ".gz").write_bytes(gzip.compress(SCRIPT))
    (folder / "page-0a1b2c3d.js.br").write_bytes(b"brotli")
    client = static_directory / "converse-14.0.0"
    client.mkdir()
    (client / "converse.min.js").write_bytes(SCRIPT)
    return static_directory


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("GZIP;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.000, gzip;q=0", None),
        ("identity", None),
        ("", None),
    ],
)
async def test_the_smallest_form_that_is_taken(
    files: Path, client: httpx2.AsyncClient, accepted: str, encoding: str | None
) -> None:
    """RFC 9110 section 12.5.3: brotli before gzip before the file itself; a weight of nothing is a refusal."""
    async with client.stream(
        "GET", "/static/built/assets/page-0a1b2c3d.js", headers={"accept-encoding": accepted}
    ) as reply:
        sent = b"".join([part async for part in reply.aiter_raw()])
    assert reply.headers.get("content-encoding") == encoding
    assert reply.headers["vary"] == "Accept-Encoding"
    assert reply.headers["content-type"].startswith("text/javascript")
    expected = {"br": b"brotli", "gzip": (files / "plain.js.gz").read_bytes(), None: SCRIPT}[encoding]
    assert sent == expected
    assert reply.headers["content-length"] == str(len(sent))


@pytest.mark.parametrize(
    ("path", "keeping"),
    [
        ("/static/built/assets/page-0a1b2c3d.js", FOR_GOOD),
        ("/static/converse-14.0.0/converse.min.js", FOR_GOOD),
        ("/static/plain.js", ASK),
        ("/", ASK),
        ("/invite/", ASK),
    ],
)
async def test_how_long_they_are_kept(files: Path, client: httpx2.AsyncClient, path: str, keeping: str) -> None:
    """What is named by what it holds stays true for good; of all else a browser asks."""
    reply = await client.get(path)
    assert reply.status_code == 200
    assert reply.headers["cache-control"] == keeping


async def test_a_browser_that_has_it_is_told_so(files: Path, client: httpx2.AsyncClient) -> None:
    """RFC 9110 section 15.4.5: 304 without the content, for the form that it has, and for pages too."""
    for path in ("/static/plain.js", "/"):
        for accepted in ("gzip", "identity"):
            headers = {"accept-encoding": accepted}
            first = await client.get(path, headers=headers)
            assert first.status_code == 200
            tag = first.headers["etag"]
            again = await client.get(path, headers={**headers, "if-none-match": f'"x", W/{tag}'})
            assert (again.status_code, again.content) == (304, b"")
            other = await client.get(path, headers={**headers, "if-none-match": '"x"'})
            assert other.status_code == 200


@pytest.mark.parametrize("path", ["/static/plain.js.gz", "/static/built/assets/page-0a1b2c3d.js.br"])
async def test_the_compressed_forms_are_no_files_of_their_own(
    files: Path, client: httpx2.AsyncClient, path: str
) -> None:
    """A browser gets them by asking for the file."""
    assert (await client.get(path)).status_code == 404


async def test_pages_that_were_not_built(static_directory: Path, client: httpx2.AsyncClient) -> None:
    """A source tree without `make setup` says what to do."""
    (static_directory / "built" / "messenger" / "index.html").unlink()
    reply = await client.get("/")
    assert reply.status_code == 503
    assert "make setup" in reply.text
