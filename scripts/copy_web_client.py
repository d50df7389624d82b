"""
Copy what browsers load from npm's folder into the Python package: the built web client, and a writer of QR codes.

Converse.js publishes its built files in `dist/`. What the page of ours loads goes to
`src/raftline/web/static/converse/`, with the licence (MPL-2.0) and where its source is. Source maps, the website's
styles and the uncompressed build stay behind.

uqr makes the QR code of an invitation (MIT). It runs in the browser, since servers are not told what the link of an
invitation has behind the #. One file and the licence go to `src/raftline/web/static/uqr/`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "node_modules" / "converse.js"
TARGET = ROOT / "src" / "raftline" / "web" / "static" / "converse"
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
"""

QR_PACKAGE = ROOT / "node_modules" / "uqr"
QR_TARGET = TARGET.parent / "uqr"
QR_FILES = {"dist/index.mjs": "index.js", "LICENSE": "LICENSE"}


def main() -> None:
    """Replace the copies in the package by the files of the installed versions."""
    version = json.loads((PACKAGE / "package.json").read_text(encoding="utf-8"))["version"]
    if TARGET.exists():
        shutil.rmtree(TARGET)
    TARGET.mkdir(parents=True)
    for name in FILES:
        shutil.copyfile(PACKAGE / name, TARGET / Path(name).name)
    for name in FOLDERS:
        shutil.copytree(PACKAGE / name, TARGET / Path(name).name, ignore=shutil.ignore_patterns("*.map"))
    (TARGET / "NOTICE").write_text(NOTICE.format(version=version), encoding="utf-8")
    QR_TARGET.mkdir(exist_ok=True)
    for name, target in QR_FILES.items():
        shutil.copyfile(QR_PACKAGE / name, QR_TARGET / target)


if __name__ == "__main__":
    main()
