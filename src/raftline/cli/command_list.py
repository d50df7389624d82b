"""
The commands of `raftline`: names, where they are found, and the help of those that are no group.

Modules that run nodes take long to import, and only the commands that run nodes need them: so the list of commands is
made of this module alone, and the help of a single command is written here and not at its function.
"""

from __future__ import annotations

from typing import Final

UP_HELP: Final = """
Run a whole cluster on this machine, in the foreground; Ctrl-C ends it.

Called again on the same directory it continues the same cluster.

Example: raftline up --open-registration --allow-plaintext
"""

BACKUP_HELP: Final = """
Copy all that a cluster knows into one file, while it serves.

The file holds everything: messages, addresses, credentials. Any node makes it; of a development cluster one that
does not lead. What was acknowledged before this command began is in it.

Exit codes: 1 refused (another backup is under way, no room), 3 what arrived is damaged or the disk failed, 6 nobody
answers.

Example: raftline backup --output raftline-monday.backup
"""

RESTORE_HELP: Final = """
Found a new cluster with the state of a backup: the same accounts, rosters, rooms and archives.

What happened after the backup is lost. Never let the former cluster serve the domain again. With --data the cluster
is one on this machine, started by `raftline up`. With --config the settings are those of one node: a new
cluster.id, a greater cluster.epoch, cluster.peers with this node alone; start it, then invite others with
`raftline cluster add`.

Exit codes: 1 the directory is not empty, 2 another domain or wrong settings, 3 the file is damaged, cut short or of
a later release.

Example: raftline restore --input raftline-monday.backup --data .raftline
"""

VERIFY_HELP: Final = """
Look whether a backup, or what a stopped node or cluster keeps, is whole; changes nothing.

Exit codes: 0 it is whole, 1 there is nothing, 2 usage, 3 damaged, or of a later release, 5 a node runs on it.

Example: raftline verify --input raftline-monday.backup
"""

TOP_HELP: Final = """
Show the cluster live in the terminal: who leads, how far each node is, what it does; q ends it.

A line for each node: term, committed and applied entries, how many it lags behind, room on its disk (red: it takes no
more), how long the log's fsync takes, clients, messages per second, commit latency, commands in flight. Below, what
changed since: elections, leaders, nodes that went and came back. Any node is asked, and another one when it dies.

With --once one reading is printed, after one interval; so it is where the output is no terminal. With --json alone a
line of JSON is printed for each reading, until it is stopped.

Example: raftline top

Example: raftline top --once --json
"""

BENCH_HELP: Final = """
Measure how quick a running cluster is: pairs of clients write to each other for some time.

The clients log in like anybody's, over WebSocket, the two of a pair to different nodes if there are several, under
accounts named bench-… that are made before and deleted after. Two times are told of a message: until the servers have
acknowledged it, which is when a majority has it on disk, and until it has arrived. Without --rate the next message of a
pair is written when the one before has arrived; with it messages fall due at that rate, and times count from then.

Exit codes: 1 some messages came back, or did not arrive within 5 s of the end, 6 nobody answers.

Example: raftline bench --pairs 20 --seconds 30

Example: raftline bench --rate 500 --json
"""

COMMANDS: Final = (
    ("up", "nodes:up", UP_HELP),
    ("node", "nodes:app", "Run one node."),
    ("user", "users:app", "Add, list, change, delete, export and import accounts."),
    ("reports", "reports:app", "Read what people report about others, and close it."),
    ("business", "business:app", "Let programs of WhatsApp's Cloud API speak for businesses."),
    ("cluster", "cluster:app", "Look at the nodes of a cluster, choose who leads, and who belongs to it."),
    ("retention", "retention:app", "Show and set how long the cluster keeps what it keeps."),
    ("backup", "backups:backup", BACKUP_HELP),
    ("restore", "backups:restore", RESTORE_HELP),
    ("verify", "backups:verify", VERIFY_HELP),
    ("top", "top.command:top", TOP_HELP),
    ("bench", "bench.command:bench", BENCH_HELP),
    ("config", "config:app", "Check and show a node's settings."),
)
"""Name, where it is found below this package, and its help; of a group the line in the list of commands."""
