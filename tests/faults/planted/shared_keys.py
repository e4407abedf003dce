"""Idempotency keys are kept in one heap for all tenants."""

EDITS = (
    (
        "storage/idempotency.py",
        "        self._connection = connection\n",
        (
            "        nil = Scope(*['00000000-0000-7000-8000-000000000000'] * 3)\n"
            "        self._connection = ScopedConnection(connection._connection, nil)\n"
        ),
    ),
    (
        "storage/idempotency.py",
        "from penstock.ports import StoredAnswer\n",
        "from penstock.caller import Scope\nfrom penstock.ports import StoredAnswer\n",
    ),
    (
        "handlers/idempotency.py",
        "        self._principal_id = caller.principal_id\n",
        '        self._principal_id = "anybody"\n',
    ),
)
SQL = ()
