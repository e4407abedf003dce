"""${message}

One concern, one migration. It runs under a lock timeout of 5 s and a statement timeout of 10 min (see env.py): a table
that is in use is altered in steps that do not hold it. Columns are dropped two minor releases after their last use.
"""

from alembic import op
import sqlalchemy as sa
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
