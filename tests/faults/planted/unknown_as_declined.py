"""An answer that was lost on the way is taken for a certain no."""

EDITS = (
    (
        "plugins/cascade.py",
        'state: VerdictState = "not_sent" if _is_unsent(ended) else "unknown"',
        'state: VerdictState = "not_sent"',
    ),
)
SQL = ()
