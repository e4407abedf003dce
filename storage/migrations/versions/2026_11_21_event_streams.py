"""Number the events of each application's environment in the order in which they are handed on."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from storage.migrations.columns import filled, only_where, optional, scope
from storage.types import Whole

revision: Final = "2026_11_21_event_streams"
down_revision: Final = "2026_11_21_abandoned_carts"
branch_labels: Final = None
depends_on: Final = None

_SCOPE: Final = ("workspace_id", "environment_id", "application_id")


def upgrade() -> None:
    op.create_table(
        "event_streams",
        *scope(),
        filled("last", Whole()),
        sa.UniqueConstraint(*_SCOPE, name="uq_event_streams_scope"),
        sqlite_strict=True,
    )
    op.add_column("events", optional("stream_sequence", Whole(1)))
    numbered = only_where("stream_sequence IS NOT NULL")
    op.create_index("uq_events_stream", "events", [*_SCOPE, "stream_sequence"], unique=True, **numbered)


def downgrade() -> None:
    op.drop_index("uq_events_stream", "events")
    op.drop_column("events", "stream_sequence")
    op.drop_table("event_streams")
