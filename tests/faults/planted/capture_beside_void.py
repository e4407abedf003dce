"""A capture does not exclude a void, in the rules or in the database."""

EDITS = (
    (
        "penstock/follow_up.py",
        "if payment.is_open or any(step.is_open and step.verb in CLOSING for step in steps):",
        "if payment.is_open:",
    ),
)
SQL = ("DROP INDEX uq_payment_steps_closing",)
