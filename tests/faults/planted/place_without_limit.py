"""A place of a discount is taken without a look at how many there are."""

EDITS = (
    (
        "storage/discounts.py",
        "_count.values(times_reserved=_reserved + 1).where(_one, _is_on, _has_room)",
        "_count.values(times_reserved=_reserved + 1).where(_one, _is_on)",
    ),
)
SQL = ()
