"""
What a command says when it fails: one sentence on standard error, an exit code for its kind, no stack trace.

Bugs of ours are the exception: their stack trace is the report.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from cyclopts import CycloptsError

from raftline.base.errors import ConfigError, StorageError
from raftline.server.failures import ExitCode, Failure


def run_reporting(command: Callable[[], ExitCode | None]) -> NoReturn:
    """Run a command and leave the process with its exit code; failures are told on standard error."""
    try:
        code = command() or ExitCode.DONE
    except CycloptsError:
        code = ExitCode.USAGE  # it has told what is wrong
    except ConfigError as error:
        code = _tell(str(error), ExitCode.USAGE)
    except StorageError as error:
        code = _tell(str(error), ExitCode.STORAGE)
    except Failure as failure:
        code = _tell(str(failure), failure.code)
    except BrokenPipeError:
        # Whoever read our output has enough of it (`| head`); Python would complain again while it ends.
        sys.stderr.close()
        code = ExitCode.DONE
    except KeyboardInterrupt:
        code = _tell("Stopped.", ExitCode.REFUSED)
    sys.exit(int(code))


def _tell(sentence: str, code: ExitCode) -> ExitCode:
    print(f"raftline: {sentence}", file=sys.stderr)
    return code
