"""
Prosody from Debian's package, without archive or with its internal one (files, never synced).

The package's usual modules stay; rate limits and links to other servers are off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import BenchError, Child, find_program, free_port, is_root, run, running
from bench.servers.base import DOMAIN, Running
from bench.servers.certificate import write_certificate
from bench.task import Endpoint

_MODULES = (
    *("disco", "roster", "saslauth", "tls", "blocklist", "bookmarks", "carbons", "pep", "private", "smacks"),
    *("vcard4", "vcard_legacy", "csi_simple", "ping", "register", "time", "uptime", "version", "posix"),
)
_CONFIG = """\
{root}
daemonize = false
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
modules_enabled = {{ {modules} }}
modules_disabled = {{ "s2s" }}
c2s_ports = {{ {port} }}
c2s_interfaces = {{ "127.0.0.1" }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = false
allow_registration = true
authentication = "internal_hashed"
default_archive_policy = true
storage = "internal"
log = {{ warn = "*console" }}
ssl = {{ certificate = "{folder}/certificate.pem", key = "{folder}/key.pem" }}
VirtualHost "{domain}"
Component "conference.{domain}" "muc"
"""


class Prosody:
    """Prosody, one process."""

    speaks_cloud_api = False

    def __init__(self, *, archives: bool) -> None:
        self.archives = archives
        self.name = "prosody-internal" if archives else "prosody"
        self.durability = "archive in files, in the page cache (no fsync)" if archives else "no archive: memory"

    def version(self) -> str:
        """See `Server`."""
        find_program("prosody", "prosody")
        for line in run([find_program("prosodyctl", "prosody"), "about"]).splitlines():
            if re.match(r"Prosody \d", line):
                return line.strip()
        raise BenchError("prosodyctl about names no version")

    @contextmanager
    def running(self, folder: Path) -> Iterator[Running]:
        """See `Server`."""
        (folder / "data").mkdir()
        write_certificate(folder / "certificate.pem", folder / "key.pem")
        port = free_port()
        modules = (*_MODULES, "mam") if self.archives else _MODULES
        config = folder / "prosody.cfg.lua"
        config.write_text(
            _CONFIG.format(
                root="run_as_root = true" if is_root() else "",
                folder=folder,
                modules="; ".join(f'"{module}"' for module in modules),
                port=port,
                domain=DOMAIN,
            ),
            encoding="utf-8",
        )
        command = [find_program("prosody", "prosody"), "--config", str(config), "-F"]
        with running(Child(command, folder / "prosody.log")) as child:
            child.wait_port(port)
            yield Running(endpoints=(Endpoint("127.0.0.1", port),), pids=(child.pid,))
