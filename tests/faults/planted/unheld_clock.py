"""Who moves a test clock reads where it stands without holding it."""

EDITS = (
    (
        "storage/environments.py",
        "_GET_FOR_UPDATE = Statement(_select.with_for_update(), across=True)",
        "_GET_FOR_UPDATE = Statement(_select, across=True)",
    ),
)
SQL = ()
