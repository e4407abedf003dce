"""Find plugins, check them, and refuse to start with one that does not fit."""

import os
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, distributions
from types import ModuleType
from typing import Any, Final

import pluggy

from connectors.email import files, resend, smtp
from connectors.payments import adyen, gr4vy, paypal, sandbox, stripe
from connectors.shipping import easypost, ups
from connectors.tax import eu_vat, stripe_tax
from penstock import hooks
from penstock.hooks import IdentityVerifier

GROUP: Final = "penstock"
BUILTIN: Final[tuple[ModuleType, ...]] = (
    sandbox,
    paypal,
    gr4vy,
    stripe,
    adyen,
    eu_vat,
    stripe_tax,
    easypost,
    ups,
    files,
    smtp,
    resend,
)

_SECRET: Final = re.compile(
    r"""(?ix) \b (?:sk|pk|tok|whsec|key|secret|bearer|token|password) [_\s:='"-]+ [\w.~+/=-]{6,} | \b \d{13,19} \b"""
)


class BrokenPlugin(RuntimeError):
    """A plugin cannot be used; the message names it and says why."""


def load(extra: Iterable[object] = (), *, entry_points: bool = True) -> pluggy.PluginManager:
    """Build the plugin manager: built-in plugins, installed ones (entry point group ``penstock``), then ``extra``.

    Raises `BrokenPlugin` for one that does not import, takes another's name, or implements a hook that is not ours.
    ``PENSTOCK_TRACE_PLUGINS=1`` writes every hook call to standard error, secrets masked.
    """
    pm = pluggy.PluginManager(GROUP)
    pm.add_hookspecs(hooks)
    if os.environ.get("PENSTOCK_TRACE_PLUGINS", "") not in ("", "0"):
        trace(pm, lambda line: print(line, file=sys.stderr))  # noqa: T201  the trace is asked for by hand
    for plugin in (*BUILTIN, *(_installed() if entry_points else ())):
        _register(pm, plugin)
    for plugin in extra:
        _register(pm, plugin)
    try:
        pm.check_pending()
    except pluggy.PluginValidationError as exc:
        raise BrokenPlugin(str(exc)) from exc
    return pm


def installed() -> dict[str, list[tuple[str, str, EntryPoint]]]:
    """Return what is installed in the entry point group: (distribution, version, entry point) by entry point name."""
    found: dict[str, list[tuple[str, str, EntryPoint]]] = defaultdict(list)
    seen: set[str] = set()
    for dist in distributions():
        name = re.sub(r"[-_.]+", "-", str(dist.metadata["Name"])).lower()
        if name in seen:  # the same distribution, further down the path
            continue
        seen.add(name)
        for entry in dist.entry_points:
            if entry.group == GROUP:
                found[entry.name].append((name, dist.version, entry))
    return dict(found)


def identity_verifiers(pm: pluggy.PluginManager) -> list[IdentityVerifier]:
    """Return every offered verifier of dashboard tokens, by name. Raises `BrokenPlugin` for two of one name."""
    found: dict[str, IdentityVerifier] = {}
    for offered in pm.hook.penstock_identity_verifiers():
        for verifier in offered:
            if verifier.name in found:
                raise BrokenPlugin(f"two identity verifiers call themselves {verifier.name!r}")
            found[verifier.name] = verifier
    return list(found.values())


def trace(pm: pluggy.PluginManager, write: Callable[[str], object]) -> None:
    """Write a line before and after each hook call, with secrets masked."""

    def before(name: str, impls: Any, arguments: Any) -> None:
        whom = ", ".join(impl.plugin_name for impl in impls) or "nobody"
        write(f"{name}({masked(repr(dict(arguments)))}) asks {whom}")

    def after(outcome: Any, name: str, *_: Any) -> None:
        shown = f"raised {outcome.exception!r}" if outcome.exception else repr(outcome.get_result())
        write(f"{name} -> {masked(shown)}")

    pm.add_hookcall_monitoring(before, after)


def masked(text: str) -> str:
    """Return a text with whatever looks like a key, a token or a card number replaced by ``***``."""
    return _SECRET.sub("***", text)


def _installed() -> Iterable[object]:
    for name, offers in sorted(installed().items()):
        if len(offers) > 1:
            raise BrokenPlugin(f"{' and '.join(dist for dist, _, _ in offers)} both install a plugin named {name!r}")
        dist, version, entry = offers[0]
        try:
            yield entry.load()
        except Exception as exc:
            raise BrokenPlugin(f"{dist} {version} cannot be imported: {type(exc).__name__}: {exc}") from exc


def _register(pm: pluggy.PluginManager, plugin: object) -> None:
    try:
        pm.register(plugin)
    except (pluggy.PluginValidationError, ValueError) as exc:
        raise BrokenPlugin(str(exc)) from exc
