"""Tells plugins about committed events, each by itself, so that one that breaks keeps no event from the others."""

import pluggy
import structlog

from penstock.hooks import Event
from plugins.manager import masked

_log = structlog.get_logger(__name__)


def has_listeners(pm: pluggy.PluginManager) -> bool:
    """Tell whether any plugin wants to hear of events."""
    return bool(pm.hook.penstock_event.get_hookimpls())


def tell(pm: pluggy.PluginManager, event: Event) -> int:
    """Call every `penstock_event`; return how many of them raised. The raised ones are logged and not told again."""
    failed = 0
    for impl in pm.hook.penstock_event.get_hookimpls():
        try:
            impl.function(*(event for _ in impl.argnames))
        except Exception as exc:  # noqa: BLE001  a plugin's fault is its own
            failed += 1
            error = masked(f"{type(exc).__name__}: {exc}")
            _log.warning("event_listener_failed", plugin=impl.plugin_name, event_type=event.type, error=error)
    return failed
