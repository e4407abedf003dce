"""Carts that their buyers have left."""

from datetime import timedelta

from handlers.wire import Json
from penstock.ports import UnitOfWork


def list_abandoned(uow: UnitOfWork, cursor: str | None, limit: int) -> Json:
    return uow.carts.page_abandoned(cursor=cursor, limit=limit).shape()


def summarize_abandoned(uow: UnitOfWork, since_days: int) -> Json:
    found = uow.carts.abandoned_since(uow.now - timedelta(days=since_days))
    return {
        "sinceDays": since_days,
        "abandonedCount": sum(many for _, many, _ in found.by_currency),
        "abandonedValue": sum(worth for _, _, worth in found.by_currency),
        "recoveryEmailsSent": found.emails,
        "byCurrency": [
            {"currency": currency, "abandonedCount": many, "abandonedValue": worth}
            for currency, many, worth in found.by_currency
        ],
    }
