"""The log of a real process on a real disk, killed while it writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from raftline.base.ids import LogIndex, NodeId
from raftline.wal.log import WriteAheadLog
from wal.log_model import batch

WRITER = """
import sys, threading
from pathlib import Path
from wal.log_model import batch
from raftline.base.ids import LogIndex, NodeId
from raftline.wal.log import WriteAheadLog
from raftline.wal.writer import LogWriter

log = WriteAheadLog.open(
    Path(sys.argv[1]), cluster_id="c", node_id=NodeId(1), applied_index=LogIndex(0), segment_bytes=65536
)
slots = threading.Semaphore(20)
last = log.last_index

def on_durable(sequence):
    global last
    print(sequence, flush=True)
    slots.release(sequence - last)
    last = sequence

writer = LogWriter(log, on_durable=on_durable, on_failure=lambda error: print(error, file=sys.stderr))
for sequence in range(last + 1, 1 << 30):
    slots.acquire()
    writer.submit(sequence, None, batch(sequence, 1, 1, 300))
"""


def test_killed_process_has_lost_nothing_it_told(tmp_path):
    """Three times in a row a writer is killed mid-write; what it had told is there, gapless, and the next goes on."""
    told = 0
    for acknowledgements in (40, 1, 25):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "log")],
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": str(Path(__file__).parents[1])},
        ) as writer:
            assert writer.stdout is not None
            for _ in range(acknowledgements):
                told = int(writer.stdout.readline())
            writer.kill()
        log = WriteAheadLog.open(
            tmp_path / "log", cluster_id="c", node_id=NodeId(1), applied_index=LogIndex(told), segment_bytes=65536
        )
        assert log.last_index >= told
        assert log.entries(LogIndex(1), log.last_index, 1 << 30) == batch(1, log.last_index, 1, 300)
        log.close()
