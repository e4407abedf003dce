"""What open refunds may have given back is not counted when the next one begins."""

EDITS = (
    (
        "penstock/payment.py",
        "return self.amount_captured - self.amount_refunded - self.amount_refunding",
        "return self.amount_captured - self.amount_refunded",
    ),
    (
        "storage/payments.py",
        "_taken = payments.c.amount_refunded + payments.c.amount_refunding",
        "_taken = payments.c.amount_refunded",
    ),
)
SQL = ()
