"""Create what a tenant is made of: workspaces, keys, accounts at providers, the outbox, due rows, idempotency keys."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from storage.migrations.columns import filled, only_where, optional, scope
from storage.types import Bytes, Flag, JsonText, Text, UtcDateTime, UuidText, Whole

revision: Final = "2026_11_20_settings"
down_revision: Final = None
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    _create_workspaces()
    _create_applications()
    _create_environments()
    _create_members()
    _create_api_keys()
    _create_connections()
    _create_embed_configs()
    _create_events()
    _create_due()
    _create_idempotency_keys()


def downgrade() -> None:
    for name in (
        "idempotency_keys",
        "due",
        "events",
        "embed_configs",
        "connections",
        "api_keys",
        "members",
        "environments",
        "applications",
        "workspaces",
    ):
        op.drop_table(name)


def _create_workspaces() -> None:
    op.create_table(
        "workspaces",
        filled("id", UuidText()),
        filled("name", Text(100)),
        filled("lifecycle_stage", Text(16)),
        filled("billing_status", Text(16)),
        filled("is_partner", Flag()),
        filled("has_payment_method", Flag()),
        optional("trial_ends_at", UtcDateTime()),
        filled("created_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_workspaces"),
        sqlite_strict=True,
    )


def _create_applications() -> None:
    op.create_table(
        "applications",
        filled("id", UuidText()),
        filled("workspace_id", UuidText()),
        filled("name", Text(100)),
        filled("created_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_applications"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_applications_workspace_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_applications_workspace_id", "applications", ["workspace_id"])


def _create_environments() -> None:
    op.create_table(
        "environments",
        filled("id", UuidText()),
        filled("workspace_id", UuidText()),
        filled("slug", Text(40)),
        filled("name", Text(100)),
        filled("is_production", Flag()),
        filled("created_at", UtcDateTime()),
        optional("archived_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_environments"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_environments_workspace_id"),
        sa.UniqueConstraint("workspace_id", "slug", name="uq_environments_workspace_id_slug"),
        sqlite_strict=True,
    )


def _create_members() -> None:
    op.create_table(
        "members",
        filled("id", UuidText()),
        filled("workspace_id", UuidText()),
        filled("subject", Text(255)),
        filled("email", Text(254)),
        filled("role", Text(64)),
        filled("created_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_members"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_members_workspace_id"),
        sa.UniqueConstraint("workspace_id", "subject", name="uq_members_workspace_id_subject"),
        sqlite_strict=True,
    )


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        *scope(),
        filled("id", UuidText()),
        filled("name", Text(100)),
        filled("kind", Text(16)),
        filled("prefix", Text(64)),
        filled("last4", Text(4)),
        filled("digest", Text(128)),
        filled("scopes", JsonText()),
        optional("created_by", Text(255)),
        filled("created_at", UtcDateTime()),
        optional("last_used_at", UtcDateTime()),
        optional("revoked_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
        sqlite_strict=True,
    )
    op.create_index("ix_api_keys_newest", "api_keys", ["environment_id", "application_id", "created_at", "id"])


def _create_connections() -> None:
    op.create_table(
        "connections",
        *scope(),
        filled("id", UuidText()),
        filled("connector", Text(64)),
        filled("settings", JsonText()),
        filled("environment", Text(16)),
        filled("is_active", Flag()),
        filled("display_name", Text(100)),
        filled("position", Whole()),
        filled("created_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_connections"),
        sqlite_strict=True,
    )
    op.create_index("ix_connections_position", "connections", ["environment_id", "application_id", "position"])


def _create_embed_configs() -> None:
    op.create_table(
        "embed_configs",
        *scope(),
        filled("allowed_origins", JsonText()),
        optional("primary_color", Text(7)),
        optional("logo_url", Text(2048)),
        optional("merchant_name", Text(100)),
        optional("storefront_base_url", Text(2048)),
        optional("cart_recovery_url_template", Text(2048)),
        optional("cart_abandonment_threshold_minutes", Whole(0, 129600)),
        filled("updated_at", UtcDateTime()),
        sa.UniqueConstraint("workspace_id", "environment_id", "application_id", name="uq_embed_configs_scope"),
        sqlite_strict=True,
    )


def _create_events() -> None:
    op.create_table(
        "events",
        *scope(),
        filled("id", UuidText()),
        filled("type", Text(64)),
        filled("object_type", Text(32)),
        filled("object_id", Text(64)),
        filled("sequence", Whole(1)),
        filled("data", JsonText()),
        filled("created_at", UtcDateTime()),
        optional("dispatched_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("object_id", "sequence", name="uq_events_object_id_sequence"),
        sqlite_strict=True,
    )
    op.create_index("ix_events_waiting", "events", ["created_at", "id"], **only_where("dispatched_at IS NULL"))


def _create_due() -> None:
    op.create_table(
        "due",
        *scope(),
        filled("id", UuidText()),
        filled("kind", Text(64)),
        filled("object_id", Text(64)),
        filled("run_at", UtcDateTime()),
        optional("lease_until", UtcDateTime()),
        filled("attempts", Whole()),
        sa.PrimaryKeyConstraint("id", name="pk_due"),
        sa.UniqueConstraint("kind", "object_id", name="uq_due_kind_object_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_due_run_at", "due", ["run_at"])


def _create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        *scope(),
        filled("principal_id", Text(64)),
        filled("operation", Text(255)),
        filled("key", Text(255)),
        filled("fingerprint", Text(64)),
        filled("lease_until", UtcDateTime()),
        filled("expires_at", UtcDateTime()),
        optional("status", Whole(100, 599)),
        optional("body", Bytes()),
        optional("headers", JsonText()),
        sa.UniqueConstraint(
            "workspace_id",
            "environment_id",
            "application_id",
            "principal_id",
            "operation",
            "key",
            name="uq_idempotency_keys_claim",
        ),
        sqlite_strict=True,
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])
