"""An event is written after its change has been committed, in a transaction of its own (SQLite)."""

EDITS = (
    (
        "storage/events.py",
        '    failpoint("event.before_insert")\n',
        (
            '    connection._connection._cursor.execute("COMMIT")\n'
            '    failpoint("event.before_insert")\n'
            '    connection._connection._cursor.execute("BEGIN IMMEDIATE")\n'
            # The block may be one of several that share a commit, and then it ends as a savepoint of this name.
            '    connection._connection._cursor.execute("SAVEPOINT block")\n'
        ),
    ),
)
SQL = ()
