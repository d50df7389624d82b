"""
Copy the built web client from npm's folder into the Python package.

Converse.js publishes its built files in `dist/`. What the page of ours loads goes to
`src/raftline/web/static/converse-VERSION/`, with the licence (MPL-2.0) and where its source is; browsers may keep files
under that name for good. Source maps, the website's styles and the uncompressed build stay behind.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "node_modules" / "converse.js"
STATIC = ROOT / "src" / "raftline" / "web" / "static"
FILES = (
    "dist/converse.min.css",
    "dist/converse.min.js",
    "dist/curve25519_compiled.wasm",
    "dist/emoji.json",
    "dist/libomemo.esm.min.js",
    "LICENSE",
    "COPYRIGHT",
)
FOLDERS = ("dist/chunkjs", "dist/images", "dist/sounds", "dist/webfonts")
NOTICE = """\
Converse.js {version}, copied unchanged from the npm package converse.js (MPL-2.0, see LICENSE and COPYRIGHT here).
Its source code is in that package under src/ and at https://github.com/conversejs/converse.js .
libomemo.esm.min.js and curve25519_compiled.wasm, also copied from there unchanged, are libomemo.js (GPL-3.0), which is
loaded by itself when a chat is encrypted; its source is at https://github.com/conversejs/libomemo.js .
"""


def main() -> None:
    """Replace the copy in the package by the files of the installed version."""
    version = json.loads((PACKAGE / "package.json").read_text(encoding="utf-8"))["version"]
    for former in STATIC.glob("converse*"):
        shutil.rmtree(former)
    target = STATIC / f"converse-{version}"
    target.mkdir(parents=True)
    for name in FILES:
        shutil.copyfile(PACKAGE / name, target / Path(name).name)
    for name in FOLDERS:
        shutil.copytree(PACKAGE / name, target / Path(name).name, ignore=shutil.ignore_patterns("*.map"))
    (target / "NOTICE").write_text(NOTICE.format(version=version), encoding="utf-8")


if __name__ == "__main__":
    main()
