"""Who a credential belongs to: one statement for each kind, read at every request, so that a revocation counts at once.

The one rule: why a credential is not good is nobody's business. Malformed, unknown and revoked all answer alike.
"""

import hmac
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cache
from hashlib import blake2b
from secrets import token_bytes
from threading import Lock
from typing import Any, Final, NamedTuple

import structlog
from sqlalchemy import and_, bindparam, select, update

from penstock import api_key, catalogue
from penstock.caller import Caller, CallerKind, Scope, Standing
from penstock.clock import Clock
from penstock.errors import EnvironmentNotFound, MissingApplicationId, MissingEnvironmentId, Unauthorized
from penstock.hooks import Identity as Person
from penstock.hooks import IdentityVerifier, InvalidToken, NotMine
from penstock.ids import is_uuid
from penstock.tax_errors import InvalidQuoteToken, StoreNotFound
from penstock.tenant import standing_of
from storage.columns import SCOPE_COLUMNS
from storage.database import Database, Seen
from storage.statement import Statement, Values
from storage.tables import (
    api_keys,
    applications,
    checkout_sessions,
    connections,
    embed_configs,
    environments,
    members,
    quote_tokens,
    workspaces,
)

LAST_USED_EVERY: Final = timedelta(minutes=1)
"""How old ``lastUsedAt`` may get before a request renews it."""

_MAX_SUBJECT: Final = 255
_REMEMBERED: Final = 10_000
_SESSION_ID: Final = re.compile(r"cs_[0-9A-Za-z]{32}")
_TENANT: Final = (
    environments.c.slug,
    environments.c.is_production,
    environments.c.clock_at,
    workspaces.c.lifecycle_stage,
    workspaces.c.billing_status,
    workspaces.c.is_partner,
    workspaces.c.trial_ends_at,
    workspaces.c.has_payment_method,
)

_BY_KEY: Final = Statement(
    select(
        api_keys.c.id,
        api_keys.c.workspace_id,
        api_keys.c.environment_id,
        api_keys.c.application_id,
        api_keys.c.digest,
        api_keys.c.kind,
        api_keys.c.scopes,
        api_keys.c.last_used_at,
        *_TENANT,
    )
    .join(environments, environments.c.id == api_keys.c.environment_id)
    .join(workspaces, workspaces.c.id == api_keys.c.workspace_id)
    .where(api_keys.c.digest == bindparam("digest"))
    .where(api_keys.c.revoked_at.is_(None), environments.c.archived_at.is_(None)),
    across=True,
)
_BY_MEMBER: Final = Statement(
    select(
        members.c.id,
        members.c.workspace_id,
        members.c.role,
        applications.c.id.label("application_id"),
        environments.c.id.label("environment_id"),
        *_TENANT,
    )
    .join(workspaces, workspaces.c.id == members.c.workspace_id)
    .outerjoin(
        applications,
        and_(
            applications.c.workspace_id == members.c.workspace_id,
            applications.c.id == bindparam("application_id"),
        ),
    )
    .outerjoin(
        environments,
        and_(
            environments.c.workspace_id == members.c.workspace_id,
            environments.c.id == bindparam("environment_id"),
            environments.c.archived_at.is_(None),
        ),
    )
    .where(members.c.workspace_id == bindparam("workspace_id"), members.c.subject == bindparam("subject")),
    across=True,
)
_BY_SESSION: Final = Statement(
    select(
        checkout_sessions.c.id,
        checkout_sessions.c.workspace_id,
        checkout_sessions.c.environment_id,
        checkout_sessions.c.application_id,
        *_TENANT,
    )
    .join(environments, environments.c.id == checkout_sessions.c.environment_id)
    .join(workspaces, workspaces.c.id == checkout_sessions.c.workspace_id)
    .where(checkout_sessions.c.id == bindparam("session_id"), environments.c.archived_at.is_(None)),
    across=True,
)
_BY_QUOTE_TOKEN: Final = Statement(
    select(
        applications.c.id.label("named"),
        quote_tokens.c.id,
        quote_tokens.c.workspace_id,
        quote_tokens.c.environment_id,
        quote_tokens.c.application_id,
        quote_tokens.c.expires_at,
        embed_configs.c.allowed_origins,
        *_TENANT,
    )
    .outerjoin(
        quote_tokens,
        and_(
            quote_tokens.c.digest == bindparam("digest"),
            quote_tokens.c.application_id == applications.c.id,
            quote_tokens.c.revoked_at.is_(None),
        ),
    )
    .outerjoin(
        environments,
        and_(environments.c.id == quote_tokens.c.environment_id, environments.c.archived_at.is_(None)),
    )
    .outerjoin(workspaces, workspaces.c.id == quote_tokens.c.workspace_id)
    .outerjoin(embed_configs, and_(*(embed_configs.c[name] == quote_tokens.c[name] for name in SCOPE_COLUMNS)))
    .where(applications.c.id == bindparam("application_id")),
    across=True,
)
_BY_CONNECTION: Final = Statement(
    select(
        connections.c.id,
        connections.c.workspace_id,
        connections.c.environment_id,
        connections.c.application_id,
        *_TENANT,
    )
    .join(environments, environments.c.id == connections.c.environment_id)
    .join(workspaces, workspaces.c.id == connections.c.workspace_id)
    .where(connections.c.id == bindparam("connection_id"), connections.c.deleted_at.is_(None))
    .where(environments.c.archived_at.is_(None)),
    across=True,
)
_TOUCH: Final = Statement(
    update(api_keys).where(api_keys.c.id == bindparam("key_id")).values(last_used_at=bindparam("at")), across=True
)

_log = structlog.get_logger(__name__)


class Told(NamedTuple):
    """What a key says of itself, without its secret."""

    digest: str
    kind: api_key.KeyKind
    environment: str


class Read(NamedTuple):
    """A good key, its row as the driver had it, as it was read, and the caller that was made of it."""

    told: Told
    seen: Seen
    row: Any
    caller: Caller


class Identity:
    """Turns credentials into callers. Safe to call from many threads. ``pepper`` is the key of the keys' digests."""

    def __init__(
        self, database: Database, clock: Clock, *, pepper: bytes, verifiers: Sequence[IdentityVerifier]
    ) -> None:
        self._database = database
        self._clock = clock
        self._pepper = pepper
        self._verifiers = tuple(verifiers)
        self._touches = Touches(database)
        # Not what a key may do: the row is read at every request, and only if nothing in it changed is this of use.
        # Under a mark that only this process can make, so that no key lies about in memory.
        self._read: dict[bytes, Read] = {}
        self._marks = blake2b(key=token_bytes(32), digest_size=32)

    def by_key(self, raw_key: str) -> Caller:
        """Return whose key this is. Raises `Unauthorized`."""
        mark = self._mark(raw_key)
        read = self._read.get(mark)
        told = read.told if read is not None else self._told(raw_key)
        ready = _BY_KEY.ready(self._database.dialect)
        seen = self._database.look(ready.sql, ready.bind({"digest": told.digest}), read.seen if read else None)
        if seen.row is None:
            raise Unauthorized
        now = self._clock.now()
        if read is not None and read.seen.row == seen.row:
            row = read.row
        else:
            read, row = None, ready.row(seen.row)
            if not hmac.compare_digest(row.digest, told.digest) or row.slug != told.environment:
                raise Unauthorized
        if row.last_used_at is None or now - row.last_used_at >= LAST_USED_EVERY:
            self._touches.touch(row.id, now)
        caller = read.caller if read is not None else None
        if caller is None or row.trial_ends_at is not None:
            standing = _standing(row, now)
            if caller is None or caller.standing != standing:
                caller = _caller(row, standing, kind=told.kind, scopes=frozenset(row.scopes))
        if read is None or read.caller is not caller or read.seen is not seen:
            self._keep(mark, Read(told, seen, row, caller))
        return caller

    def by_dashboard_token(self, token: str, application_id: str | None, environment_id: str | None) -> Caller:
        """Return the member that a token speaks for, in the application and environment that are named.

        Raises `Unauthorized`, `MissingApplicationId`, `MissingEnvironmentId`, and `EnvironmentNotFound` for an
        application or environment that this member's workspace does not have.
        """
        now = self._clock.now()
        person = self._person(token, now)
        if person.workspace_id is None or not 0 < len(person.subject) <= _MAX_SUBJECT or "\0" in person.subject:
            raise Unauthorized
        named = {
            "workspace_id": person.workspace_id,
            "subject": person.subject,
            "application_id": _id(application_id or person.application_id),
            "environment_id": _id(environment_id or person.environment_id),
        }
        row = self._one(_BY_MEMBER, named)
        if row is None:
            raise Unauthorized
        _check_place(row, application_id or person.application_id, environment_id or person.environment_id)
        permissions = _permissions(row.role, is_production=row.is_production)
        return _caller(row, _standing(row, now), kind="dashboard", permissions=permissions)

    def by_session(self, session_id: str) -> Caller | None:
        """Return the session as a caller of its own scope, or None where there is none with this id."""
        if _SESSION_ID.fullmatch(session_id) is None:
            return None
        row = self._one(_BY_SESSION, {"session_id": session_id})
        return None if row is None else _caller(row, _standing(row, self._clock.now()), kind="session")

    def by_quote_token(self, raw_token: str, application_id: str, origin: str | None) -> Caller:
        """Return whose quote token this is, for a page of this origin; None for a request that is no page's.

        Raises `StoreNotFound` for an application that nobody has, and `InvalidQuoteToken`.
        """
        token = api_key.parse(raw_token)
        digest = token.digest(self._pepper) if token is not None else ""
        row = self._one(_BY_QUOTE_TOKEN, {"digest": digest, "application_id": application_id})
        if row is None:
            raise StoreNotFound
        now = self._clock.now()
        if token is None or row.id is None or row.slug != token.environment:
            raise InvalidQuoteToken
        if row.expires_at is not None and row.expires_at <= now:
            raise InvalidQuoteToken
        if origin is not None and origin not in (row.allowed_origins or ()):
            raise InvalidQuoteToken("This page's origin may not ask.")
        return _caller(row, _standing(row, now), kind="quote")

    def by_connection(self, connection_id: str) -> Caller | None:
        """Return the connection, for its provider's messages, as a caller of its own scope; None where there is none."""
        row = self._one(_BY_CONNECTION, {"connection_id": connection_id}) if is_uuid(connection_id) else None
        return None if row is None else _caller(row, _standing(row, self._clock.now()), kind="provider")

    def close(self) -> None:
        """Write what is still to be written."""
        self._touches.close()

    def _mark(self, raw_key: str) -> bytes:
        mark = self._marks.copy()
        mark.update(raw_key.encode())
        return mark.digest()

    def _told(self, raw_key: str) -> Told:
        key = api_key.parse(raw_key)
        if key is None:
            raise Unauthorized
        return Told(key.digest(self._pepper), key.kind, key.environment)

    def _keep(self, mark: bytes, read: Read) -> None:
        if len(self._read) >= _REMEMBERED:
            self._read.clear()
        self._read[mark] = read

    def _one(self, statement: Statement, values: Values) -> Any:
        ready = statement.ready(self._database.dialect)
        raw = self._database.first(ready.sql, ready.bind(values))
        return None if raw is None else ready.row(raw)

    def _person(self, token: str, now: datetime) -> Person:
        for verifier in self._verifiers:
            try:
                return verifier.verify(token, now)
            except NotMine:
                continue
            except InvalidToken:
                break
        raise Unauthorized


class Touches:
    """Writes when a key was last used: in a thread of its own, at most once a minute for each key."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: dict[str, datetime] = {}
        self._lock = Lock()
        self._writer = ThreadPoolExecutor(1, "last-used")

    def touch(self, key_id: str, now: datetime) -> None:
        """Note that a key was used; returns at once."""
        with self._lock:
            last = self._seen.get(key_id)
            if last is not None and now - last < LAST_USED_EVERY:
                return
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            self._seen[key_id] = now
        try:
            self._writer.submit(self._write, key_id, now)
        except RuntimeError:  # it is closing, and this can wait for the next request
            return

    def close(self) -> None:
        """Write what is still to be written, and take no more."""
        self._writer.shutdown()

    def _write(self, key_id: str, now: datetime) -> None:
        try:
            with self._database.writing() as connection:
                connection.put(_TOUCH, {"key_id": key_id, "at": now})
        except Exception:  # noqa: BLE001  nobody waits for this, and the next request tries again
            _log.warning("last_used_not_written", key_id=key_id)


def _standing(row: Any, now: datetime) -> Standing:
    return standing_of(
        lifecycle_stage=row.lifecycle_stage,
        billing_status=row.billing_status,
        is_partner=row.is_partner,
        has_payment_method=row.has_payment_method,
        trial_ends_at=row.trial_ends_at,
        now=now,
    )


def _caller(row: Any, standing: Standing, *, kind: CallerKind, **rights: frozenset[str]) -> Caller:
    scope = Scope(row.workspace_id, row.environment_id, row.application_id, row.clock_at)
    return Caller(scope, kind, row.id, row.slug, row.is_production, standing, **rights)


@cache
def _permissions(role: str, *, is_production: bool) -> frozenset[str]:
    found = catalogue.roles().get(role)
    return found.permissions(is_production=is_production) if found else frozenset()


def _id(text: str | None) -> str | None:
    return text if text is not None and is_uuid(text) else None


def _check_place(row: Any, application_id: str | None, environment_id: str | None) -> None:
    if application_id is None:
        raise MissingApplicationId
    if environment_id is None:
        raise MissingEnvironmentId
    if row.application_id is None or row.environment_id is None:
        raise EnvironmentNotFound
