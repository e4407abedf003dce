"""Classes of one kind of provider by name, and the objects built from them for configured accounts."""

import inspect
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, Generic, TypeVar

import httpx
import jsonschema_rs
import pluggy

from connectors import http
from penstock.clock import Clock
from penstock.connector import Context, Provider
from penstock.verdict import Connection
from plugins.manager import BrokenPlugin
from plugins.setting_faults import SettingsFault, settings_fault

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_KEPT: Final = 1024
P = TypeVar("P", bound=Provider)


class UnusableConnection(Exception):
    """A connection cannot be used: unknown connector, wrong environment, or settings that do not fit."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[P]):
    """One kind of provider: the hook that offers its classes, what they are called, derive from and claim.

    ``unkept`` returns, in sentences, where a class's claims and its verbs differ.
    """

    hook: str
    word: str
    root: type[Any]
    claims: type
    unkept: Callable[[type[Any]], Iterable[str]]


class Shelf(Generic[P]):
    """The classes of one kind by name. Raises `BrokenPlugin` at the start for a class that cannot be what it says.

    ``defaults`` are settings by connector name, for accounts that leave them out.
    """

    def __init__(
        self,
        kind: Kind[P],
        pm: pluggy.PluginManager,
        *,
        clock: Clock,
        client: Callable[[], httpx.Client] = http.client,
        defaults: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._kind = kind
        self._clock = clock
        self._defaults = defaults or {}
        self._client = client
        self._clients: dict[str, httpx.Client] = {}
        self._built: OrderedDict[str, tuple[Connection, P]] = OrderedDict()
        self._lock = Lock()
        self._classes = classes_of(kind, pm)
        self._validators = {
            name: jsonschema_rs.validator_for(dict(cls.settings_schema)) for name, cls in self._classes.items()
        }

    def names(self) -> list[str]:
        """Return the names of all connectors, sorted."""
        return sorted(self._classes)

    def get(self, name: str) -> type[P] | None:
        """Return the connector class of this name, or None."""
        return self._classes.get(name)

    def settings_faults(self, name: str, settings: Mapping[str, Any]) -> list[SettingsFault]:
        """Return what is wrong with an account's settings. Raises `UnusableConnection` for an unknown connector."""
        if name not in self._validators:
            raise UnusableConnection(f"no plugin offers a {self._kind.word} named {name!r}")
        schema = self._classes[name].settings_schema
        return [settings_fault(error, schema) for error in self._validators[name].iter_errors(dict(settings))]

    def account_faults(self, connection: Connection) -> list[SettingsFault]:
        """Return what is wrong with the settings that an account would be built with, this house's defaults included.

        Raises `UnusableConnection` for an unknown connector.
        """
        return self.settings_faults(connection.connector, self._settings_of(connection))

    def _settings_of(self, connection: Connection) -> dict[str, Any]:
        return {**self._defaults.get(connection.connector, {}), **connection.settings}

    def build(self, connection: Connection) -> P:
        """Return the object for a connection; the same one until the connection changes.

        Raises `UnusableConnection`, whose text holds no setting's value.
        """
        with self._lock:
            kept = self._built.get(connection.id)
            if kept is not None and kept[0] == connection:
                self._built.move_to_end(connection.id)
                return kept[1]
        built = self._new(connection)
        with self._lock:
            self._built[connection.id] = (connection, built)
            while len(self._built) > _KEPT:
                self._built.popitem(last=False)
        return built

    def close(self) -> None:
        """Close the connectors' HTTP clients."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for one in clients:
            one.close()

    def _new(self, connection: Connection) -> P:
        if not connection.is_readable:
            raise UnusableConnection(
                "its settings cannot be opened: they were altered or moved, or a master key is gone"
            )
        cls = self.get(connection.connector)
        if cls is None:
            raise UnusableConnection(f"no plugin offers a {self._kind.word} named {connection.connector!r}")
        if connection.environment not in cls.environments:
            raise UnusableConnection(f"{cls.name} is not for a {connection.environment} environment")
        settings = self._settings_of(connection)
        faults = self.settings_faults(cls.name, settings)
        if faults:
            raise UnusableConnection(f"{cls.name}: settings{faults[0].pointer}: {faults[0].message}")
        lent = Context(settings, self._http_for(cls.name), self._clock, connection.environment)
        try:
            return cls(lent)
        except Exception as exc:
            raise UnusableConnection(f"{cls.name} could not be built: {type(exc).__name__}") from exc

    def _http_for(self, name: str) -> httpx.Client:
        # One client per connector: a provider that keeps all its connections busy takes none of another's.
        with self._lock:
            if name not in self._clients:
                self._clients[name] = self._client()
            return self._clients[name]


def classes_of(kind: Kind[P], pm: pluggy.PluginManager) -> dict[str, type[P]]:
    """Return every offered class of a kind by name. Raises `BrokenPlugin` for one that cannot be what it says."""
    found: dict[str, type[P]] = {}
    for offered in getattr(pm.hook, kind.hook)():
        for cls in offered:
            _check(kind, cls)
            other = found.setdefault(cls.name, cls)
            if other is not cls:
                raise BrokenPlugin(
                    f"{cls.__module__} and {other.__module__} both offer a {kind.word} named {cls.name!r}"
                )
    return found


def _check(kind: Kind[P], cls: object) -> None:
    root = kind.root.__name__
    if not (isinstance(cls, type) and issubclass(cls, kind.root) and issubclass(cls, Provider)):
        raise BrokenPlugin(f"{cls!r} was offered as a {kind.word} and is not a subclass of {root}")
    where = f"{cls.__module__}.{cls.__qualname__}"
    if inspect.isabstract(cls):
        raise BrokenPlugin(f"{where} lacks {', '.join(sorted(cls.__abstractmethods__))}")
    for attribute, held in (
        ("name", str),
        ("display_name", str),
        ("capabilities", kind.claims),
        ("settings_schema", Mapping),
    ):
        if not isinstance(getattr(cls, attribute, None), held):
            raise BrokenPlugin(f"{where}: {attribute} is missing or not a {held.__name__}")
    if not _NAME.fullmatch(cls.name):
        raise BrokenPlugin(f"{where}: the name {cls.name!r} is not lower case letters, digits and underscores")
    if not jsonschema_rs.meta.is_valid(dict(cls.settings_schema)):
        raise BrokenPlugin(f"{where}: settings_schema is not a JSON Schema")
    faults = [*kind.unkept(cls)]
    if faults:
        raise BrokenPlugin(f"{where}: {'; '.join(faults)}")
