"""Between the wire's JSON and the objects of shipping and tax, and nothing else."""

from handlers.wire import Json, Reply
from penstock.clock import rfc3339
from penstock.flows.replace_list import tag_of
from penstock.shipping_tax import ConfigHead, ConfigVersion


def config_out(head: ConfigHead, published: ConfigVersion | None) -> Json:
    return {
        "draft": _draft_out(head),
        "published": version_out(published) if published else None,
    }


def head_out(head: ConfigHead) -> Reply:
    return Reply(_draft_out(head), 200, {"ETag": tag_of(head.revision)})


def version_out(version: ConfigVersion) -> Json:
    return {
        "id": version.id,
        "version": version.number,
        "restoredFrom": version.restored_from,
        "publishedAt": rfc3339(version.created_at),
        "publishedBy": version.created_by,
        **version.body,
    }


def _draft_out(head: ConfigHead) -> Json | None:
    if head.draft is None:
        return None
    return {
        "basedOn": head.number,
        "updatedAt": rfc3339(head.drafted_at) if head.drafted_at else None,
        "updatedBy": head.drafted_by,
        **head.draft,
    }
