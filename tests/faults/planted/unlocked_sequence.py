"""The next event's number is computed from a cart that nobody has locked, and the database takes any number."""

EDITS = (
    (
        "storage/carts.py",
        "_GET_FOR_UPDATE = Statement(_select.with_for_update())",
        "_GET_FOR_UPDATE = Statement(_select)",
    ),
)
SQL = ("ALTER TABLE events DROP CONSTRAINT uq_events_object_id_sequence",)
