"""A completion no longer locks its session and cart, and the database no longer refuses a second live payment."""

EDITS = (
    (
        "storage/sessions.py",
        "_GET_FOR_UPDATE = Statement(_select.with_for_update())",
        "_GET_FOR_UPDATE = Statement(_select)",
    ),
    (
        "storage/carts.py",
        "_GET_FOR_UPDATE = Statement(_select.with_for_update())",
        "_GET_FOR_UPDATE = Statement(_select)",
    ),
)
SQL = (
    "DROP INDEX uq_payments_live",
    "ALTER TABLE events DROP CONSTRAINT uq_events_object_id_sequence",
)
