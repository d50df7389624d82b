"""
What a command says when it fails: one sentence on standard error and what to do next, an exit code for its kind
(server/failures.py has the table), no stack trace.

Bugs of ours are the exception: their stack trace is the report.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from cyclopts import CycloptsError

from raftline.base.errors import ConfigError, StorageError
from raftline.server.failures import EXIT_CODES, ExitCode, Failure


def run_reporting(command: Callable[[], ExitCode | None], name: Callable[[], str]) -> NoReturn:
    """
    Run a command and leave the process with its exit code; failures are told on standard error.

    Args:
        name: Returns the command without its arguments, as `raftline user add`; asked when it failed.
    """
    try:
        code = command() or ExitCode.DONE
    except CycloptsError:
        code = _advise(ExitCode.USAGE, name)  # it has told what is wrong
    except ConfigError as error:
        code = _tell(str(error), ExitCode.USAGE, name)
    except StorageError as error:
        code = _tell(str(error), ExitCode.STORAGE, name)
    except Failure as failure:
        code = _tell(str(failure), failure.code, name)
    except BrokenPipeError:
        # Whoever read our output has enough of it (`| head`); Python would complain again while it ends.
        sys.stderr.close()
        code = ExitCode.DONE
    except KeyboardInterrupt:
        print("raftline: Stopped.", file=sys.stderr)
        code = ExitCode.REFUSED
    except Exception:  # noqa: BLE001 - whatever it is: a code that says so, which Python's own would not
        traceback.print_exc()
        code = _advise(ExitCode.BUG, name)
    sys.exit(int(code))


def _tell(sentence: str, code: ExitCode, name: Callable[[], str]) -> ExitCode:
    print(f"raftline: {sentence}", file=sys.stderr)
    return _advise(code, name)


def _advise(code: ExitCode, name: Callable[[], str]) -> ExitCode:
    """Say what to do next."""
    print(f"  {EXIT_CODES[code].remedy.format(command=name())}", file=sys.stderr)
    return code
