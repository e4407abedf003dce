"""What the world is told of an event: one JSON object, whose bytes never change once they were made."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from penstock.caller import Scope
from penstock.clock import rfc3339
from penstock.ids import is_uuid

VERSION: Final = "1"
PREFIX: Final = "evt_"
_HEX: Final = 32


def event_name(row_id: str) -> str:
    """Return the id under which an event is known outside: ``evt_`` and its row's UUID without dashes."""
    return PREFIX + row_id.replace("-", "")


def row_name(event_id: str) -> str | None:
    """Return the UUID of an event's row, or None for what cannot be an event's id."""
    text = event_id.removeprefix(PREFIX)
    if text == event_id or len(text) != _HEX:
        return None
    found = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    return found if is_uuid(found) else None


def envelope(
    *,
    event_id: str,
    event_type: str,
    scope: Scope,
    object_type: str,
    object_id: str,
    sequence: int,
    stream_sequence: int | None,
    created_at: datetime,
    payload: Mapping[str, Any],
    is_test: bool = False,
) -> dict[str, Any]:
    """Return an event in the wire's shape (semantics 1.6). ``isTest`` says that nothing of it happened.

    ``sequence`` counts within the object, ``stream_sequence`` within the application's environment; None for what was
    made up.
    """
    return {
        "id": event_id,
        "type": event_type,
        "version": VERSION,
        "workspaceId": scope.workspace_id,
        "environmentId": scope.environment_id,
        "applicationId": scope.application_id,
        "objectType": object_type,
        "objectId": object_id,
        "sequence": sequence,
        "streamSequence": stream_sequence,
        "isTest": is_test,
        "createdAt": rfc3339(created_at),
        "data": payload,
    }


def written(message: Mapping[str, Any]) -> bytes:
    """Return the bytes of an event's message."""
    return orjson.dumps(message)
