"""What ``penstock doctor`` says about plugins: what is there, what it claims, and what gets in its way."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Final

import pluggy

from penstock.connector import Capabilities, Claims, Provider
from penstock.rate_source import RateClaims
from penstock.tax_engine import TaxClaims
from plugins.manager import BrokenPlugin, installed, load
from plugins.registry import every_class

ROOMS: Final = ("spec", "handlers", "connectors", "plugins", "storage", "jobs", "pages", "cli", "bootstrap")
"""Import names that are plain words and ours inside the server's process."""

OWN: Final = "penstock"
_WORDS: Final = {"payment": "connector", "tax": "tax engine", "shipping": "rate source"}


@dataclass(frozen=True, slots=True)
class PluginRow:
    """One plugin: its module, the distribution it came in (ours for built-in ones), its hooks and connectors."""

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...]
    connectors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConnectorRow:
    """One connector, tax engine or rate source (``word``): where it may be used, what it claims, in words, its settings.

    The required settings have a star.
    """

    name: str
    display_name: str
    plugin: str
    claims: str
    environments: tuple[str, ...]
    settings: tuple[str, ...]
    word: str = "connector"


@dataclass(frozen=True, slots=True)
class Report:
    """What there is, and in sentences what is wrong. An empty ``faults`` means that the server may start."""

    plugins: Sequence[PluginRow]
    connectors: Sequence[ConnectorRow]
    faults: Sequence[str]


def report(version: str, *, extra: Iterable[object] = ()) -> Report:
    """Load every plugin as the server would and report. ``version`` is Penstock's own, shown for built-in plugins."""
    faults = clashes()
    try:
        pm = load(extra)
        classes = every_class(pm)
    except BrokenPlugin as exc:
        return Report((), (), (*faults, str(exc)))
    origins = _origins(version)
    plugins = [_plugin_row(pm, plugin, classes, origins) for plugin in pm.get_plugins()]
    rows = [_connector_row(cls) for _, cls in sorted(classes.items())]
    return Report(sorted(plugins, key=lambda row: row.name), rows, faults)


def claims(capabilities: Claims) -> str:
    """Say in words what a connector, an engine or a source claims."""
    match capabilities:
        case Capabilities():
            return _of_payments(capabilities)
        case TaxClaims():
            kinds = " and ".join(word for word in ("inclusive", "exclusive") if getattr(capabilities, word))
            return f"taxes in {_every(capabilities.countries, 'country')}, {kinds} prices, {_money(capabilities.currencies)}"
        case RateClaims():
            to = _every(capabilities.destinations, "country")
            return f"rates to {to}, up to {capabilities.most_parcels} parcels, {_money(capabilities.currencies)}"
    return ""


def _every(held: frozenset[str] | None, what: str) -> str:
    return f"every {what}" if held is None else ", ".join(sorted(held))


def _money(held: frozenset[str] | None) -> str:
    return f"in {_every(held, 'currency')}"


def _of_payments(capabilities: Capabilities) -> str:
    flags = [name for name in type(capabilities).__slots__ if getattr(capabilities, name) is True]
    methods = ", ".join(sorted(capabilities.methods))
    return f"{methods} {_money(capabilities.currencies)}; {', '.join(flags) or 'nothing more'}"


def _connector_row(cls: type[Provider]) -> ConnectorRow:
    schema = cls.settings_schema
    needed = schema.get("required", ())
    settings = tuple(f"{name}{'*' if name in needed else ''}" for name in schema.get("properties", ()))
    where = tuple(sorted(cls.environments))
    said = claims(cls.capabilities)
    return ConnectorRow(cls.name, cls.display_name, cls.__module__, said, where, settings, _WORDS[cls.kind])


def clashes(names: Sequence[str] = ROOMS, places: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return, in sentences, which installed packages have a room's plain name and would hide it or be hidden by it.

    ``places`` are folders to look in; by default those of the import path that hold installed packages.
    """
    folders = [Path(p) for p in (sys.path if places is None else places) if places or _holds_packages(p)]
    owners = packages_distributions() if places is None else {}
    return tuple(
        f"{found} has the name of one of Penstock's own rooms ({', '.join(owners.get(name, ['unknown origin']))}): "
        "uninstall it, or run Penstock in an environment of its own"
        for folder in folders
        for name in names
        for found in (folder / name, folder / f"{name}.py")
        if found.exists()
    )


def _holds_packages(place: str) -> bool:
    return Path(place).name in ("site-packages", "dist-packages")


def _origins(version: str) -> dict[str, tuple[str, str]]:
    found = {entry.value.partition(":")[0]: (dist, at) for offers in installed().values() for dist, at, entry in offers}
    return found | {"": (OWN, version)}


def _plugin_row(
    pm: pluggy.PluginManager,
    plugin: object,
    classes: dict[str, type[Provider]],
    origins: dict[str, tuple[str, str]],
) -> PluginRow:
    name = plugin.__name__ if isinstance(plugin, ModuleType) else str(pm.get_name(plugin))
    distribution, version = origins.get(name, origins[""])
    hooks = tuple(sorted(caller.name for caller in pm.get_hookcallers(plugin) or ()))
    mine = tuple(
        n for n, cls in sorted(classes.items()) if cls.__module__ == name or cls.__module__.startswith(f"{name}.")
    )
    return PluginRow(name, distribution, version, hooks, mine)
