"""Moments on the wire: UTC, milliseconds, Z."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.clock import rfc3339

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-3)), timezone(timedelta(hours=5, minutes=30))])
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=ZONES)  # noqa: DTZ001  the zone is drawn


@given(MOMENTS)
def test_a_moment_is_written_in_utc_with_milliseconds_that_are_cut_not_rounded(moment: datetime):
    utc = moment.astimezone(UTC)
    assert rfc3339(moment) == f"{utc.replace(tzinfo=None, microsecond=0).isoformat()}.{utc.microsecond // 1000:03d}Z"


@pytest.mark.parametrize(
    ("microsecond", "text"),
    [(0, "2026-11-22T03:04:05.000Z"), (999, "2026-11-22T03:04:05.000Z"), (999_999, "2026-11-22T03:04:05.999Z")],
)
def test_the_milliseconds_are_always_there(microsecond: int, text: str):
    assert rfc3339(datetime(2026, 11, 22, 3, 4, 5, microsecond, UTC)) == text
