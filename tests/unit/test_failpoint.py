"""Failpoints do nothing unless a test asked for them, and then exactly what was asked."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penstock import failpoint

ROOT = Path(__file__).resolve().parents[2]
CALL = re.compile(r"\bfailpoint\(\s*\"([^\"]+)\"")
ROOMS = ("penstock", "handlers", "storage", "plugins", "connectors", "jobs", "pages")


def run(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    command = [sys.executable, "-c", f"from penstock.failpoint import *\n{code}"]
    return subprocess.run(command, cwd=ROOT, env=known | environ, capture_output=True, text=True, check=False)


def called_names() -> set[str]:
    return {
        name
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for name in CALL.findall(path.read_text(encoding="utf-8"))
    }


def test_a_place_does_nothing_in_a_process_that_was_not_started_for_it():
    done = run("failpoint('attempt.after_commit'); print('alive')", PENSTOCK_FAILPOINTS="attempt.after_commit=kill")
    assert done.stdout == "alive\n"


def test_arming_where_failpoints_are_off_says_how_to_turn_them_on():
    done = run("arm('attempt.after_commit', kill)")
    assert "PENSTOCK_TEST_FAILPOINTS=1" in done.stderr


def test_kill_ends_the_process_at_the_place_and_no_earlier():
    armed = {"PENSTOCK_TEST_FAILPOINTS": "1", "PENSTOCK_FAILPOINTS": "attempt.after_commit=kill"}
    code = "failpoint('attempt.before_insert'); print('before', flush=True); failpoint('attempt.after_commit'); print('no')"
    done = run(code, **armed)
    assert (done.stdout, done.returncode) == ("before\n", -signal.SIGKILL)


def test_raise_and_sleep_do_what_they_say():
    armed = {
        "PENSTOCK_TEST_FAILPOINTS": "1",
        "PENSTOCK_FAILPOINTS": "key.before_insert=sleep:0.05, event.before_insert=raise",
    }
    code = "import time\nt = time.monotonic(); failpoint('key.before_insert'); print(time.monotonic() - t >= 0.05)\n"
    code += "try: failpoint('event.before_insert')\nexcept FailpointRaised: print('raised')"
    assert run(code, **armed).stdout == "True\nraised\n"


def test_disarming_makes_a_place_harmless_again():
    code = "arm('event.before_insert', fail); disarm(); failpoint('event.before_insert'); print('fine')"
    assert run(code, PENSTOCK_TEST_FAILPOINTS="1").stdout == "fine\n"


@pytest.mark.parametrize("entry", ["no.such_place=kill", "event.before_insert=explode", "event.before_insert=sleep:x"])
def test_a_misspelt_order_stops_the_start(entry: str):
    done = run("print('started')", PENSTOCK_TEST_FAILPOINTS="1", PENSTOCK_FAILPOINTS=entry)
    assert (done.returncode, done.stdout) == (1, "")


def test_every_place_in_the_code_is_declared_and_every_declared_place_is_in_the_code():
    assert called_names() == set(failpoint.FAILPOINTS)
