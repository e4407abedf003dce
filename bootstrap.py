"""The composition root: settings become a house. The API, the worker, the command line and the tests all start here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pluggy
import sqlalchemy as sa
from alembic.util import CommandError

from connectors import http
from connectors.identity.builtin import BuiltinIssuer
from penstock.bell import Bell
from penstock.clock import Clock, SystemClock
from penstock.health import Incident
from penstock.keyring import Keyring, open_keyring
from penstock.ports import OpenWork
from penstock.settings import BadSettings, Settings
from penstock.tokens import Tokens
from plugins import manager
from plugins.accounts import AccountDesk
from plugins.cascade import Cascade
from plugins.health import Health
from plugins.health_board import RedisBoard
from plugins.mailing import Mailer, open_mailer
from plugins.quoting import Quoting
from plugins.registry import Engines, Registry, Sources, every_class
from storage.backlog import Backlog
from storage.database import Database, DatabaseUnavailable
from storage.engine import open_database
from storage.identity import Identity
from storage.migrate import pending
from storage.rotation import has_plain_rows
from storage.statement import Statement
from storage.vault import Vault
from storage.work import open_work

UNREACHABLE = "the database cannot be reached"
NEWER = "the database belongs to a newer version than this one"
"""Why no request can be served, where moving the tables on would not help."""

_BESIDE = 4
"""Database connections beside those of the request threads: for jobs, the relay, and what is noted in passing."""

_SANDBOXES = ("sandbox", "sandbox_b")
_ANYTHING = Statement(sa.select(sa.literal_column("1").label("one")), across=True)


@dataclass(frozen=True, slots=True)
class Links:
    """Where buyers and developers are sent."""

    public_url: str

    def hosted(self, session_id: str) -> str:
        """Return the address of a session's checkout page."""
        return f"{self.public_url}/checkout/{session_id}"

    def comeback(self, session_id: str) -> str:
        """Return the address to which a provider sends a session's buyer back."""
        return f"{self.public_url}/checkout/{session_id}/return"

    def embed(self, session_id: str) -> str:
        """Return the address of a session's checkout as a frame for the merchant's own page."""
        return f"{self.public_url}/embed/{session_id}"


class Readiness:
    """Whether the database answers and has this version's tables."""

    def __init__(self, database: Database, url: str) -> None:
        self._database = database
        self._url = url
        self._is_current = False

    def __call__(self) -> str | None:
        """Return why no request can be served now, in words for an operator, or None."""
        try:
            if not self._is_current:
                waiting = pending(self._url)
                if waiting:
                    return f"the database lacks this version's tables ({len(waiting)} migrations are due)"
                if has_plain_rows(self._database):
                    return "settings of payment connections are not sealed yet"
                self._is_current = True
            with self._database.reading() as db:
                db.row(_ANYTHING, {})
        except DatabaseUnavailable:
            return UNREACHABLE
        except CommandError:
            return NEWER
        return None


@dataclass(frozen=True, slots=True)
class House:
    """Everything that a request, a job or a command can reach. Build it once for each process, and close it."""

    settings: Settings
    clock: Clock
    keyring: Keyring = field(repr=False)
    database: Database
    work: OpenWork
    identity: Identity
    plugins: pluggy.PluginManager
    registry: Registry
    cascade: Cascade
    accounts: AccountDesk
    quoting: Quoting
    mailer: Mailer
    tokens: Tokens
    vault: Vault = field(repr=False)
    backlog: Backlog
    """What is still to be done, and since when."""
    bell: Bell
    """Rings when something was committed that the jobs wait for."""
    links: Links
    unready: Readiness = field(repr=False)
    """Returns why no request can be served now, or None."""

    def cors_origins(self, session_id: str) -> Sequence[str]:
        """Return the origins whose pages may act on a session; none for an unknown one."""
        caller = self.identity.by_session(session_id)
        if caller is None:
            return ()
        with self.work(caller.scope, read=True) as uow:
            return uow.embed_configs.get().allowed_origins

    def close(self) -> None:
        """Finish what is under way and let go of the database. Nothing of the house works afterwards."""
        self.cascade.health.close()
        self.identity.close()
        self.registry.close()
        self.quoting.close()
        self.mailer.close()
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def build(
    settings: Settings, *, clock: Clock | None = None, plugins: Iterable[object] = (), may_make_secret: bool = False
) -> House:
    """Wire the rooms together. ``plugins`` come beside the installed ones. No statement reaches the database yet.

    With SQLite, whoever goes on to make the database ``may_make_secret`` as well, where there is neither.
    Raises `BadSettings` and `plugins.manager.BrokenPlugin`.
    """
    clock = clock or SystemClock()
    keyring = open_keyring(settings, may_make=may_make_secret)
    tokens = Tokens(keyring, clock, issuer=settings.issuer)
    pm = manager.load((BuiltinIssuer(tokens.dashboard), *plugins))
    registry = Registry(pm, clock=clock, defaults=_sandbox_defaults(settings))
    engines, sources = Engines(pm, clock=clock), Sources(pm, clock=clock)
    every_class(pm)
    database = open_database(settings.database_url, pool_size=settings.threads + _BESIDE)
    vault = Vault(keyring.masters)
    bell = Bell()
    work = open_work(database, clock, cursor_key=keyring.key("cursors"), vault=vault, ring=bell.ring)
    pepper = keyring.key("api-keys")
    return House(
        settings=settings,
        clock=clock,
        keyring=keyring,
        database=database,
        work=work,
        identity=Identity(database, clock, pepper=pepper, verifiers=manager.identity_verifiers(pm)),
        plugins=pm,
        registry=registry,
        cascade=Cascade(registry, pm, health=_health(settings, work, clock)),
        accounts=AccountDesk(registry, engines, sources),
        quoting=Quoting(engines, sources, clock),
        mailer=_mailer(settings, pm, clock),
        tokens=tokens,
        vault=vault,
        backlog=Backlog(database),
        bell=bell,
        links=Links(settings.public_url),
        unready=Readiness(database, settings.database_url),
    )


def _mailer(settings: Settings, pm: pluggy.PluginManager, clock: Clock) -> Mailer:
    """Return what mails leave through: a folder beside the database unless the settings name something else."""
    own = {"folder": str(settings.state_dir / "mail")} if settings.mail == "files" else {}
    given = {**own, **settings.mail_settings}
    return open_mailer(
        pm, name=settings.mail, address=settings.mail_from, settings=given, http=http.client(), clock=clock
    )


def _health(settings: Settings, work: OpenWork, clock: Clock) -> Health:
    """Return what watches the providers: shared through Redis where there is one, else this process's own."""

    def announce(incident: Incident) -> None:
        with work(incident.scope) as uow:
            uow.incidents.note(incident)

    board = RedisBoard(settings.redis_url, clock) if settings.redis_url else None
    return Health(is_dry_run=settings.breaker == "dry_run", board=board, announce=announce)


def _sandbox_defaults(settings: Settings) -> dict[str, dict[str, Any]]:
    bank = settings.sandbox_bank
    own = {"public_url": settings.public_url}
    if bank.startswith(("http://", "https://")):
        own["bank_url"] = bank
    else:
        own["bank_file"] = bank
        try:
            Path(bank).parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise BadSettings(f"{bank} cannot be written ({exc.strerror}): set PENSTOCK_STATE_DIR elsewhere.") from None
    return dict.fromkeys(_SANDBOXES, own)
