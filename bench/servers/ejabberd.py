"""
ejabberd from Debian's package, without archive or with one in PostgreSQL.

Its own defaults stay, except what would bound the load rather than the server: shapers and registration limits are
off. It is started as its control program does, without the distribution between nodes, so no port mapper runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.processes import Child, MissingError, find_program, free_port, running
from bench.servers import postgresql
from bench.servers.base import DOMAIN, Running
from bench.servers.certificate import write_certificate
from bench.task import Endpoint

SQL_POOL_SIZE = 10
_LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
_ERLANG_LIBRARIES = Path("/usr/lib/erlang/lib")
_SCHEMA = Path("/usr/share/ejabberd/sql/pg.sql")

_CONFIG = """\
hosts: ["{domain}"]
loglevel: warning
certfiles: ["{pem}"]
auth_method: mnesia
auth_password_format: scram
disable_sasl_mechanisms: ["digest-md5", "X-OAUTH2"]
listen:
  -
    port: {port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    access: all
    starttls: true
    backlog: 1024
registration_timeout: infinity
shaper_rules:
  max_user_sessions: 1000
{storage}
modules:
  mod_adhoc: {{}}
  mod_blocking: {{}}
  mod_caps: {{}}
  mod_carboncopy: {{}}
  mod_client_state: {{}}
  mod_disco: {{}}
  mod_last: {{}}
  mod_muc:
    default_room_options:
      mam: {mam}
      max_users: 2000
    max_users: 2000
  mod_offline: {{}}
  mod_ping: {{}}
  mod_privacy: {{}}
  mod_private: {{}}
  mod_pubsub:
    plugins: [flat, pep]
  mod_register:
    access: all
    ip_access: all
    password_strength: 0
  mod_roster:
    versioning: true
  mod_stream_mgmt: {{}}
  mod_time: {{}}
  mod_vcard: {{}}
  mod_version: {{}}
{archive}
"""
_SQL = """\
sql_type: pgsql
sql_server: "127.0.0.1"
sql_port: {port}
sql_database: "{user}"
sql_username: "{user}"
sql_password: ""
sql_pool_size: {pool}
"""
_ARCHIVE = """\
  mod_mam:
    db_type: sql
    default: always
    assume_mam_usage: false
"""


class Ejabberd:
    """ejabberd, one node."""

    speaks_cloud_api = False

    def __init__(self, *, archives: bool) -> None:
        self.archives = archives
        self.name = "ejabberd-postgresql" if archives else "ejabberd"
        self.durability = (
            "archive in PostgreSQL (fsync on); acknowledgement does not wait for it"
            if archives
            else "no archive: memory"
        )

    def version(self) -> str:
        """See `Server`."""
        folder = self._beams()
        text = (folder / "ejabberd.app").read_text(encoding="utf-8")
        found = re.search(r'\{vsn,\s*"([^"]+)"', text)
        name = f"ejabberd {found[1] if found else 'of unknown version'}"
        if not self.archives:
            return name
        if not list(_ERLANG_LIBRARIES.glob("p1_pgsql-*")):
            raise MissingError("ejabberd's driver for PostgreSQL is missing: install Debian's package erlang-p1-pgsql")
        return f"{name}, {postgresql.version()}"

    @staticmethod
    def _beams() -> Path:
        for folder in sorted(_LIBRARIES.glob("ejabberd-*/ebin")):
            if (folder / "ejabberd.app").exists():
                return folder
        raise MissingError("ejabberd is missing: install Debian's package ejabberd")

    @contextmanager
    def running(self, folder: Path) -> Iterator[Running]:
        """See `Server`."""
        with ExitStack() as stack:
            pids = []
            storage = ""
            if self.archives:
                database = stack.enter_context(
                    postgresql.running_database(folder, _SCHEMA, connection_count=SQL_POOL_SIZE)
                )
                pids.append(database.pid)
                storage = _SQL.format(port=database.port, user=postgresql.USER, pool=SQL_POOL_SIZE)
            certificate, key, pem = folder / "certificate.pem", folder / "key.pem", folder / "both.pem"
            write_certificate(certificate, key)
            pem.write_bytes(certificate.read_bytes() + key.read_bytes())
            port = free_port()
            config = folder / "ejabberd.yml"
            config.write_text(
                _CONFIG.format(
                    domain=DOMAIN,
                    pem=pem,
                    port=port,
                    storage=storage,
                    archive=_ARCHIVE if self.archives else "",
                    mam=str(self.archives).lower(),
                ),
                encoding="utf-8",
            )
            child = stack.enter_context(running(self._child(folder, config)))
            child.wait_port(port)
            yield Running(endpoints=(Endpoint("127.0.0.1", port),), pids=(child.pid, *pids))

    def _child(self, folder: Path, config: Path) -> Child:
        # The options its control program gives to the Erlang machine.
        command = [
            find_program("erl", "ejabberd"),
            *("+K", "true", "+P", "250000", "-noinput"),
            *("-pa", str(self._beams()), "-mnesia", "dir", f'"{folder / "mnesia"}"', "-s", "ejabberd"),
        ]
        environment = {
            "EJABBERD_CONFIG_PATH": str(config),
            "EJABBERD_LOG_PATH": str(folder / "ejabberd-own.log"),
            "ERL_CRASH_DUMP_BYTES": "0",
            "ERL_MAX_PORTS": "65536",
            "HOME": str(folder),
        }
        return Child(command, folder / "ejabberd.log", environment=environment)
