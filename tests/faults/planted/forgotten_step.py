"""A capture, void or refund is begun, and nobody is told to look after it if its process dies."""

EDITS = (
    (
        "penstock/flows/take_step.py",
        "    uow.due.add(RECONCILE_STEP, step.id, uow.now + LAST_SENT)\n",
        "",
    ),
)
SQL = ()
