"""A worker in a process of its own, some time ahead: ``python -m tests.faults.sweep SECONDS`` does what is due by then."""

import sys
from datetime import timedelta

import bootstrap
from jobs.actors import Runner
from jobs.relay import LEASE
from penstock.settings import load
from storage.due import DueTable
from tests.shops import OffsetClock

AT_ONCE = 10


def main() -> None:
    clock = OffsetClock()
    clock.advance(timedelta(seconds=int(sys.argv[1])))
    with bootstrap.build(load(), clock=clock) as house:
        rows = DueTable(house.database)
        runner = Runner(house, rows)
        while claimed := rows.claim(clock.now(), limit=AT_ONCE, lease=LEASE):
            for row in claimed:
                runner.run_due(row.id, row.attempt)


if __name__ == "__main__":
    main()
