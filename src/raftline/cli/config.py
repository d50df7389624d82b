"""`raftline config`: the settings of a node."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from raftline.cli.output import Json, print_json
from raftline.server.certificates import check_identity
from raftline.server.config_file import check_files, load_settings
from raftline.server.toml_text import format_settings

app = App(name="config", help="Check and show a node's settings.")

ConfigFile = Annotated[Path, Parameter(help="The node's settings (TOML).")]


@app.command
def check(config: ConfigFile, *, json: Json = False) -> None:
    """
    Check a node's settings: names, values, how they fit together, and the files they name.

    Environment variables RAFTLINE_* count as they would for the node.

    Example: raftline config check node.toml
    """
    settings = load_settings(config, os.environ)
    check_files(settings)
    check_identity(settings)
    if json:
        print_json({"file": str(config.resolve()), "correct": True})
    else:
        print(f"{config}: correct.")


@app.command
def show(config: ConfigFile, *, json: Json = False) -> None:
    """
    Print the settings in effect: file, environment and defaults together.

    Example: RAFTLINE_HTTP__PORT=8443 raftline config show node.toml
    """
    settings = load_settings(config, os.environ)
    if json:
        print_json(msgspec.to_builtins(settings, enc_hook=str))
    else:
        sys.stdout.write(format_settings(settings))
