"""What ``penstock doctor`` says about plugins: what is there, what it claims, and what gets in its way."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Final

import pluggy

from penstock.connector import Capabilities, PaymentConnector
from plugins.manager import BrokenPlugin, installed, load
from plugins.registry import connector_classes

ROOMS: Final = ("spec", "handlers", "connectors", "plugins", "storage", "jobs", "pages", "cli", "bootstrap")
"""Import names that are plain words and ours inside the server's process."""

OWN: Final = "penstock"


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
    """One connector, where it may be used, what it claims, in words, and its settings (the required ones with a star)."""

    name: str
    display_name: str
    plugin: str
    claims: str
    environments: tuple[str, ...]
    settings: tuple[str, ...]


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
        classes = connector_classes(pm)
    except BrokenPlugin as exc:
        return Report((), (), (*faults, str(exc)))
    origins = _origins(version)
    plugins = [_plugin_row(pm, plugin, classes, origins) for plugin in pm.get_plugins()]
    rows = [_connector_row(cls) for _, cls in sorted(classes.items())]
    return Report(sorted(plugins, key=lambda row: row.name), rows, faults)


def claims(capabilities: Capabilities) -> str:
    """Say in words what a connector claims."""
    held = capabilities.currencies
    currencies = "every currency" if held is None else ", ".join(sorted(held))
    flags = [name for name in type(capabilities).__slots__ if getattr(capabilities, name) is True]
    return f"{', '.join(sorted(capabilities.methods))} in {currencies}; {', '.join(flags) or 'nothing more'}"


def _connector_row(cls: type[PaymentConnector]) -> ConnectorRow:
    schema = cls.settings_schema
    needed = schema.get("required", ())
    settings = tuple(f"{name}{'*' if name in needed else ''}" for name in schema.get("properties", ()))
    where = tuple(sorted(cls.environments))
    return ConnectorRow(cls.name, cls.display_name, cls.__module__, claims(cls.capabilities), where, settings)


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
    classes: dict[str, type[PaymentConnector]],
    origins: dict[str, tuple[str, str]],
) -> PluginRow:
    name = plugin.__name__ if isinstance(plugin, ModuleType) else str(pm.get_name(plugin))
    distribution, version = origins.get(name, origins[""])
    hooks = tuple(sorted(caller.name for caller in pm.get_hookcallers(plugin) or ()))
    mine = tuple(
        n for n, cls in sorted(classes.items()) if cls.__module__ == name or cls.__module__.startswith(f"{name}.")
    )
    return PluginRow(name, distribution, version, hooks, mine)
