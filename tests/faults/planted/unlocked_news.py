"""Who writes down what became of a charge no longer locks its rows, and the database no longer refuses a second event."""

FLOW = "penstock/flows/settle_payment.py"
EDITS = (
    (FLOW, "session = uow.sessions.get_for_update(session_id)", "session = uow.sessions.get(session_id)"),
    (FLOW, "cart = uow.carts.get_for_update(session.cart_id)", "cart = uow.carts.get(session.cart_id)"),
    (FLOW, "order = uow.orders.get_for_update(session.order_id)", "order = uow.orders.get(session.order_id)"),
    (FLOW, "payment = uow.payments.get_for_update(payment_id)", "payment = uow.payments.get(payment_id)"),
)
SQL = ("ALTER TABLE events DROP CONSTRAINT uq_events_object_id_sequence",)
