"""The row that rings for a cart is done before the cart is abandoned, in a transaction of its own."""

EDITS = (
    (
        "jobs/actors.py",
        "        with self._rooms.work(row.scope) as uow:\n            again = abandon_cart(uow, row.object_id)\n",
        (
            "        with self._rooms.work(row.scope) as uow:\n"
            "            uow.due.done(row.kind, row.object_id)\n"
            "        with self._rooms.work(row.scope) as uow:\n"
            "            again = abandon_cart(uow, row.object_id)\n"
        ),
    ),
)
SQL = ()
