"""The tables of routing: the versions of the four lists, which of them stand, and how each payment was routed."""

from sqlalchemy import Column, ForeignKey, UniqueConstraint

from storage.columns import SCOPE_COLUMNS, at, column, id_column, newest_first, optional, tenant_table
from storage.types import JsonText, Text, UuidText, Whole

routing_versions = tenant_table(
    "routing_versions",
    id_column(),
    column("list_name", Text(32)),
    column("number", Whole(1)),
    column("body", JsonText()),
    at("created_at"),
    optional("created_by", Text(64)),
    UniqueConstraint(*SCOPE_COLUMNS, "list_name", "number", name="uq_routing_versions_number"),
    newest_first("ix_routing_versions_newest"),
    newest_first("ix_routing_versions_list", "list_name"),
)

routing_lists = tenant_table(
    "routing_lists",
    column("list_name", Text(32)),
    column("number", Whole()),
    Column("version_id", UuidText(), ForeignKey("routing_versions.id"), nullable=True),
    at("updated_at"),
    UniqueConstraint(*SCOPE_COLUMNS, "list_name", name="uq_routing_lists_name"),
)
"""One row for each list that was ever set, and while one is set for the first time; held by whoever changes it."""

payment_routes = tenant_table(
    "payment_routes",
    Column("id", UuidText(), ForeignKey("payments.id"), nullable=False, primary_key=True),
    column("facts", JsonText()),
    column("decision", JsonText()),
    at("created_at"),
    newest_first("ix_payment_routes_newest"),
)
"""One row for each payment, under the payment's own id."""
