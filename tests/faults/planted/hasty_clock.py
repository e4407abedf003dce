"""A test clock moves on while something that was due is not done yet."""

EDITS = (
    (
        "penstock/flows/move_clock.py",
        "    if uow.environment.is_busy():\n        return False\n",
        "",
    ),
)
SQL = ()
