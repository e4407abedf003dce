"""Go on with a payment when its buyer comes back from the provider."""

from collections.abc import Mapping

from penstock.flows.reconcile_payment import reconcile_payment, record_news, resume_request
from penstock.payment import AttemptState, Payment
from penstock.ports import Cascade, Work


def resume_payment(work: Work, cascade: Cascade, payment_id: str, query: Mapping[str, str]) -> Payment | None:
    """Have the provider say how the buyer decided, record it, and return the payment as it then stands.

    ``query`` is what the provider put on the address: the connector may use it to ask, and nobody believes it. A
    connector that does not resume is asked as the reconciler asks. No other provider is tried. None for an unknown id.
    """
    with work(read=True) as uow:
        payment = uow.payments.get(payment_id)
        attempt = payment.attempts[-1] if payment is not None and payment.is_open else None
        connection = uow.connections.get(attempt.connection_id) if attempt else None
    if payment is None or attempt is None or attempt.state is not AttemptState.PENDING:
        return reconcile_payment(work, cascade, payment_id)
    candidate = cascade.candidate(connection) if connection is not None else None
    if candidate is None or not candidate.connector.capabilities.resume:
        return reconcile_payment(work, cascade, payment_id)
    return record_news(work, payment, attempt.id, cascade.resume(candidate, resume_request(payment, attempt, query)))
