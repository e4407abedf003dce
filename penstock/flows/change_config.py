"""Change the shipping and tax configuration: draft it, publish the draft, or publish an earlier version again."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from penstock.caller import Caller
from penstock.checks import require
from penstock.config_rules import canonical_config, config_faults
from penstock.connector import ProviderKind
from penstock.errors import Fault, NotFound
from penstock.flows.replace_list import tag_of
from penstock.ids import new_id
from penstock.ports import UnitOfWork
from penstock.routing_errors import PreconditionFailed
from penstock.shipping_tax import ConfigHead, ConfigVersion, read_config
from penstock.tax_errors import ConfigDraftMissing


def save_draft(uow: UnitOfWork, caller: Caller, body: Mapping[str, Any], if_match: str | None) -> ConfigHead:
    """Replace the draft. It may still be wrong: what is wrong is told by `check_config`, and refused at publishing.

    ``if_match`` is the header as it came. Raises `PreconditionFailed`.
    """
    head = _held(uow, if_match)
    return _put(uow, head, draft=canonical_config(body), drafted_at=uow.now, drafted_by=caller.principal_id)


def discard_draft(uow: UnitOfWork, if_match: str | None) -> ConfigHead:
    """Throw the draft away; what is published stands. Raises `PreconditionFailed`, `ConfigDraftMissing`."""
    head = _held(uow, if_match)
    if head.draft is None:
        raise ConfigDraftMissing
    return _put(uow, head, draft=None, drafted_at=None, drafted_by=None)


def check_config(uow: UnitOfWork, given: Mapping[str, Any] | None) -> Sequence[Fault]:
    """Return what stands against publishing a configuration, or the draft. Raises `ConfigDraftMissing`."""
    body = canonical_config(given) if given is not None else uow.shipping_tax.head().draft
    if body is None:
        raise ConfigDraftMissing
    return [*config_faults(body), *_connection_faults(uow, body)]


def publish_draft(uow: UnitOfWork, caller: Caller, if_match: str | None) -> ConfigVersion:
    """Let the draft stand as the next version, whole and at once.

    Raises `PreconditionFailed`, `ConfigDraftMissing`, and `ValidationError` with everything that is wrong.
    """
    head = _held(uow, if_match)
    if head.draft is None:
        raise ConfigDraftMissing
    require([*config_faults(head.draft), *_connection_faults(uow, head.draft)])
    cleared = replace(head, draft=None, drafted_at=None, drafted_by=None)
    return _publish(uow, caller, cleared, head.draft)


def restore_version(uow: UnitOfWork, caller: Caller, version_id: str, if_match: str | None) -> ConfigVersion:
    """Publish an earlier version again, as the next one; a draft stays as it is.

    Raises `NotFound`, `PreconditionFailed`, and `ValidationError` where today's rules refuse what stood once.
    """
    head = _held(uow, if_match)
    old = uow.shipping_tax.version(version_id)
    if old is None:
        raise NotFound("There is no version with this id.")
    require([*config_faults(old.body), *_connection_faults(uow, old.body)])
    return _publish(uow, caller, head, old.body, restored_from=old.number)


def _publish(
    uow: UnitOfWork, caller: Caller, head: ConfigHead, body: Mapping[str, Any], restored_from: int | None = None
) -> ConfigVersion:
    version = ConfigVersion(
        id=new_id(),
        number=head.number + 1,
        body=body,
        created_at=uow.now,
        created_by=caller.principal_id,
        restored_from=restored_from,
    )
    uow.shipping_tax.add(version)
    is_calculating = read_config(body).is_calculating
    _put(uow, head, number=version.number, version_id=version.id, is_calculating=is_calculating)
    return version


def _connection_faults(uow: UnitOfWork, body: Mapping[str, Any]) -> Iterator[Fault]:
    wanted: list[tuple[str, str, ProviderKind]] = [
        (f"/shipping/connectionIds/{i}", id_, "shipping")
        for i, id_ in enumerate(body["shipping"].get("connectionIds", ()))
    ]
    if body["tax"].get("connectionId"):
        wanted.append(("/tax/connectionId", body["tax"]["connectionId"], "tax"))
    for at, id_, kind in wanted:
        connection = uow.connections.get_kept(id_)
        if connection is None or not connection.is_active:
            yield Fault(at, "unknown_connection", "this is no active connection here")
        elif connection.kind != kind:
            yield Fault(at, "wrong_kind", f"{connection.connector} is connected for {_ASKED_FOR[connection.kind]}")


_ASKED_FOR: Final[Mapping[ProviderKind, str]] = {
    "payment": "payments",
    "tax": "taxes",
    "shipping": "shipping rates",
}


def _held(uow: UnitOfWork, if_match: str | None) -> ConfigHead:
    head = uow.shipping_tax.hold()
    if if_match is not None and if_match != "*" and tag_of(head.revision) not in re.findall(r'"[^"]*"', if_match):
        raise PreconditionFailed(details={"etag": tag_of(head.revision)})
    return head


def _put(uow: UnitOfWork, head: ConfigHead, **changes: Any) -> ConfigHead:
    changed = replace(head, revision=head.revision + 1, **changes)
    uow.shipping_tax.put(changed)
    return changed
