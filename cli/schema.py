"""Whether the database's tables are this version's, and what a command does where they are not."""

from collections.abc import Mapping
from typing import Final

from bootstrap import NEWER, UNREACHABLE, House
from cli.trouble import Trouble
from storage.migrate import upgrade
from storage.rotation import seal_plain_rows

_ADVICE: Final[Mapping[str, str]] = {
    UNREACHABLE: "check PENSTOCK_DATABASE_URL, and that the database runs",
    NEWER: "install that version, or one after it",
}
"""What helps against what is wrong with a database; with everything else it is `penstock migrate`."""


def complaint(house: House) -> str | None:
    """Return what is wrong with the tables and what to do, or None."""
    file = house.settings.sqlite_file
    if file is not None and not file.exists():
        return f"there is no database at {file} yet; run `penstock init`"
    reason = house.unready()
    return None if reason is None else f"{reason}; {_ADVICE.get(reason, 'run `penstock migrate`')}"


def assert_current(house: House) -> None:
    """Raise `Trouble` unless the tables are this version's."""
    told = complaint(house)
    if told is not None:
        raise Trouble(told)


def make_current(house: House) -> None:
    """Bring a SQLite file up to date; on PostgreSQL, where others may be using it, raise `Trouble` instead."""
    if house.settings.sqlite_file is not None:
        bring_up(house)
    assert_current(house)


def bring_up(house: House) -> int:
    """Bring the tables to this version's, and seal settings of connections that stand in their rows as they are.

    Returns how many it sealed.
    """
    upgrade(house.settings.database_url)
    return seal_plain_rows(house.database, house.vault, house.clock.now())
