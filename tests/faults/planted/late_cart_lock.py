"""The cart is read without its lock when its total is computed; the lock comes when it is written."""

EDITS = (
    (
        "penstock/flows/begin_payment.py",
        "cart = uow.carts.get_for_update(session.cart_id)",
        "cart = uow.carts.get(session.cart_id)",
    ),
)
SQL = ("ALTER TABLE events DROP CONSTRAINT uq_events_object_id_sequence",)
