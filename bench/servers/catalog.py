"""All configurations under test, in the order they run."""

from __future__ import annotations

from bench.servers.base import Server
from bench.servers.ejabberd import Ejabberd
from bench.servers.prosody import Prosody
from bench.servers.raftline import Raftline

SERVERS: dict[str, Server] = {
    server.name: server
    for server in (
        Raftline(1),
        Raftline(3),
        Ejabberd(archives=False),
        Ejabberd(archives=True),
        Prosody(archives=False),
        Prosody(archives=True),
    )
}
