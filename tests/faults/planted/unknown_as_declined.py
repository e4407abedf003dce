"""An answer that was lost on the way is taken for a certain no."""

EDITS = (
    (
        "plugins/cascade.py",
        'Verdict("not_sent" if _is_unsent(ended) else "unknown", error=',
        'Verdict("not_sent", error=',
    ),
)
SQL = ()
