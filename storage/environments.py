"""The environment of a scope: one set of data, which all applications of its workspace share."""

import sqlalchemy as sa

from storage.scoped import ScopedConnection, value
from storage.statement import Statement
from storage.tables import environments

_GET = Statement(
    sa.select(environments.c.is_production).where(
        environments.c.id == value(environments.c.id, "scope_environment"),
        environments.c.workspace_id == value(environments.c.workspace_id, "scope_workspace"),
    ),
    across=True,
)


def is_production(connection: ScopedConnection) -> bool:
    """Tell whether a scope's environment is production; an environment that is not known counts as production."""
    row = connection.row(_GET, {})
    return row is None or bool(row.is_production)
