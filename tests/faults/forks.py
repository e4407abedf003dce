"""One trial, one process: forked from a parent that has imported everything and opened nothing."""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any


class ChildFailed(RuntimeError):
    """A child ended in another way than it should have."""


def in_child(work: Callable[[], Any]) -> Any:
    """Do some work in a forked child and return its result, which must fit into JSON."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        with os.fdopen(writing, "w") as out:
            _end_with(_written(work, out))
    os.close(writing)
    with os.fdopen(reading) as source:
        text = source.read()
    _, status = os.waitpid(pid, 0)
    if status:
        raise ChildFailed(f"a child ended with {os.waitstatus_to_exitcode(status)}")
    return json.loads(text)


def is_killed(work: Callable[[], Any]) -> bool:
    """Do some work in a forked child; tell whether it was killed on the way (True) or came to its end (False)."""
    pid = os.fork()
    if pid == 0:
        _end_with(_written(work, None))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code not in (0, -signal.SIGKILL):
        raise ChildFailed(f"a child ended with {code}")
    return code == -signal.SIGKILL


def _written(work: Callable[[], Any], out: Any) -> int:
    try:
        result = work()
        if out is not None:
            json.dump(result, out)
            out.flush()
    except BaseException:  # noqa: BLE001  a child must never run the parent's code
        traceback.print_exc(file=sys.stderr)
        return 1
    return 0


def _end_with(code: int) -> None:
    sys.stderr.flush()
    os._exit(code)
