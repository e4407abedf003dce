"""Bugs that one cell of the fault matrix must catch: (what is broken, file, old, new, cell)."""

BUGS = [
    (
        "whatever a connector raises is taken for never sent",
        "plugins/cascade.py",
        "    if isinstance(ended.raised, NotSent):\n",
        "    if isinstance(ended.raised, Exception):\n",
        "charge-drop_after",
    ),
    (
        "silence is taken for a connection that was never made",
        "connectors/http.py",
        "(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)",
        "(httpx.TransportError,)",
        "capture-delay",
    ),
    (
        "a refund of another amount is believed",
        "penstock/outcome.py",
        "            if answer.money != money:\n",
        "            if answer.money.currency != money.currency:\n",
        "refund-wrong_amount",
    ),
    (
        "an open step goes out again where a repeat may act twice",
        "penstock/flows/reconcile_follow_up.py",
        "    if claims.idempotent_create and not silent.is_running:\n",
        "    if not silent.is_running:\n",
        "void-reset",
    ),
    (
        "what a look finds given back is not written into the ledger",
        "penstock/flows/reconcile_follow_up.py",
        "    if payment.amount_refunded > refunded:\n",
        "    if payment.amount_refunded > refunded and step.started_at == uow.now:\n",
        "refund-drop_after",
    ),
    (
        "an approval of another amount is believed",
        "penstock/outcome.py",
        "        kept = captured == asked and authorized in (None, asked)\n",
        "        kept = captured.currency == asked.currency\n",
        "charge-wrong_amount",
    ),
]
