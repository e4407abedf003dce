"""Keeps answers of tax engines and rate sources for a while, by everything that they depend on.

The one rule: only answers that were checked are kept, never a failure, and never under less than the whole question.
"""

import json
from collections import OrderedDict
from dataclasses import astuple, replace
from datetime import timedelta
from hashlib import blake2b
from threading import Lock
from typing import Any, Final

from penstock.clock import Clock
from penstock.rate_source import RateRequest
from penstock.tax_engine import PartRates, PartTaxes, RatesFound, TaxableLine, TaxesCalculated, TaxRequest
from penstock.totals import SHIPPING
from penstock.verdict import Connection

Key = bytes

MOST: Final = 4096
"""How many answers one process keeps; the one used longest ago goes first."""

LIFETIME: Final = timedelta(minutes=5)


class Answers:
    """Answers by account with its settings, version and question."""

    def __init__(self, clock: Clock, *, most: int = MOST, lifetime: timedelta = LIFETIME) -> None:
        self._clock = clock
        self._most = most
        self._lifetime = lifetime
        self._kept: OrderedDict[Key, tuple[Any, Any]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Key) -> Any:
        """Return the answer that was kept under this key, or None where there is none or it is too old."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            answer, until = found
            if self._clock.now() >= until:
                del self._kept[key]
                return None
            self._kept.move_to_end(key)
            return answer

    def keep(self, key: Key, answer: Any) -> None:
        """Keep an answer, and let go of the one that was used longest ago where there are too many."""
        with self._lock:
            self._kept[key] = (answer, self._clock.now() + self._lifetime)
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)


def key_of(connection: Connection, version: str, request: TaxRequest | RateRequest) -> Key:
    """Return a digest of all that an answer depends on: neither addresses nor settings are kept in memory."""
    settings = json.dumps(dict(connection.settings), sort_keys=True, default=repr)
    account = (connection.id, connection.connector, connection.environment, settings)
    whole = repr((account, version, type(request).__name__, astuple(request)))
    return blake2b(whole.encode(), digest_size=32).digest()


class Numbered:
    """A tax question with its lines in one order and under numbers, so that equal carts are one question.

    It also keeps our lines' ids from the engine, which has no use for them.
    """

    def __init__(self, request: TaxRequest) -> None:
        lines = sorted(request.lines, key=lambda line: (line.category, line.amount, line.quantity, line.id))
        self.request = replace(request, lines=tuple(_numbered(line, at) for at, line in enumerate(lines, 1)))
        self._ids = {str(at): line.id for at, line in enumerate(lines, 1)} | {SHIPPING: SHIPPING}

    def named(self, answer: RatesFound | TaxesCalculated) -> RatesFound | TaxesCalculated:
        """Return an answer to the numbered question with the parts under their own ids."""
        if isinstance(answer, RatesFound):
            return RatesFound(tuple(replace(part, part_id=self._id(part)) for part in answer.parts))
        return replace(answer, parts=tuple(replace(part, part_id=self._id(part)) for part in answer.parts))

    def _id(self, part: PartRates | PartTaxes) -> str:
        return self._ids[part.part_id]


def _numbered(line: TaxableLine, at: int) -> TaxableLine:
    return replace(line, id=str(at))
