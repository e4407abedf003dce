"""Mistakes that an operator can put right, each as a sentence that says how. Everything else is a bug and shows itself."""

import errno
import sqlite3
import sys

from penstock.settings import BadSettings


class Trouble(Exception):
    """Something is wrong that the operator can put right; the message says what and how."""


def explanation(exc: BaseException) -> str | None:
    """Return what to tell the operator about an exception, or None for one that is no operator's mistake."""
    if isinstance(exc, Trouble | BadSettings) or _is(exc, "plugins.manager", "BrokenPlugin"):
        return str(exc)
    if isinstance(exc, OSError) and exc.errno in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
        return f"{exc.strerror}. Choose another address with --host and --port."
    is_damaged = type(exc) is sqlite3.DatabaseError
    is_out_of_reach = _is(exc, "storage.database", "DatabaseUnavailable") or _is(exc, "sqlalchemy.exc", "DBAPIError")
    if is_damaged or is_out_of_reach:
        return _database(exc)
    if _is(exc, "redis.exceptions", "RedisError"):
        return f"Redis cannot be reached ({exc}). Start it, correct PENSTOCK_REDIS_URL, or unset it to run without."
    return None


def _is(exc: BaseException, module: str, name: str) -> bool:
    # A module that nobody imported raised nothing, so there is no need to import it here.
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(exc, getattr(loaded, name))


def _database(exc: BaseException) -> str:
    cause = exc.__cause__ or exc
    cause = getattr(cause, "orig", None) or cause
    said = [part.strip().splitlines()[0].rstrip(".") for part in dict.fromkeys((str(exc), str(cause))) if part.strip()]
    told = f"{said[0]} ({said[1]})" if len(said) > 1 and said[1] not in said[0] else said[0]
    return f"{told}. Check PENSTOCK_DATABASE_URL, and that the database runs and may be written."
