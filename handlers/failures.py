"""What a failure that nobody expected becomes: an error that says nothing, and a log line that says enough."""

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from handlers.checks import BrokenPromise
from handlers.logs import described
from penstock.errors import ApiError, InternalError, ServiceUnavailable

log = structlog.get_logger("penstock.door")


def error_for(failure: Exception, operation: str) -> ApiError:
    """Return the error that a client is told; log it where it is ours."""
    if isinstance(failure, ApiError):
        if failure.__cause__ is not None and isinstance(failure, ServiceUnavailable):
            cause = type(failure.__cause__).__name__
            log.error("service unavailable", operation=operation, error_type=cause, reason=failure.message)
        return failure
    if is_database_away(failure):
        log.error("database cannot be reached", operation=operation, error_type=type(failure).__name__)
        return ServiceUnavailable()
    if isinstance(failure, BrokenPromise):
        log.error("response breaks the spec", operation=operation, reason=str(failure))
        return InternalError(str(failure))
    log.error("request failed", operation=operation, **described(failure))
    return InternalError()


def is_database_away(failure: Exception) -> bool:
    """Tell whether the database was not there, or gave up: a later attempt may do better."""
    if isinstance(failure, OperationalError | InterfaceError | PoolTimeout):
        return True
    return isinstance(failure, DBAPIError) and failure.connection_invalidated
