"""A message has a charge looked at that is still being sent, and that the bank has none yet is taken for a no."""

EDITS = (
    (
        "penstock/flows/reconcile_payment.py",
        "    if attempt.state is AttemptState.SENDING and now - attempt.started_at < SENDING_GRACE:\n        return payment\n",
        "",
    ),
    (
        "penstock/flows/clear_doubt.py",
        "if after is not None and age >= timedelta(seconds=after):",
        "if after is not None:",
    ),
)
SQL = ()
