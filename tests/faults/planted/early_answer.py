"""Who waits for a change is told of it before it is on the disk (SQLite)."""

LANE = "handlers/lane.py"
EDITS = (
    (
        LANE,
        "                    outcomes.append((done(job), stretch.receipt()))\n",
        (
            '                    if job[1].method == "PATCH":\n'
            "                        self._pool.report([done(job)])\n"
            "                    else:\n"
            "                        outcomes.append((done(job), stretch.receipt()))\n"
            # So long that somebody pulls the plug meanwhile.
            "                    threading.Event().wait(0.02)\n"
        ),
    ),
    (LANE, "len(outcomes) < MOST", "len(outcomes) == 0"),
)
SQL = ()
