"""The one way in which this installation's mails leave, chosen and checked at the start.

The one rule: a sender is called under a deadline, with everything caught, and never inside a transaction.
"""

import inspect
import re
from collections.abc import Mapping
from typing import Any, Final

import httpx
import jsonschema_rs
import pluggy

from penstock.boundary import assert_no_transaction
from penstock.clock import Clock
from penstock.connector import Context, NotSent
from penstock.mail import Mail, MailRefused, MailSender
from penstock.settings import BadSettings
from plugins.guard import Call, Crowded, DeadlinePassed, Guard
from plugins.manager import BrokenPlugin, masked

SECONDS: Final = 40.0
PLACES: Final = 8
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Unfinished(Exception):
    """Nobody knows whether the mail was sent."""


class Mailer:
    """Hands mails to one sender. ``address`` is what they come from."""

    def __init__(self, sender: MailSender, address: str, http: httpx.Client) -> None:
        self._sender = sender
        self._http = http
        self._guard = Guard(places=PLACES)
        self.address = address

    @property
    def name(self) -> str:
        """The sender's name."""
        return self._sender.name

    @property
    def knows_repeats(self) -> bool:
        """Whether the same key is never delivered twice."""
        return self._sender.knows_repeats

    def send(self, mail: Mail) -> str | None:
        """Hand a mail over; raise `NotSent`, `MailRefused`, or `Unfinished` for whatever else came of it."""
        assert_no_transaction()
        try:
            ended: Call[str | None] = self._guard.run(self.name, lambda: self._sender.send(mail), seconds=SECONDS)
        except Crowded as exc:
            raise NotSent(str(exc)) from None
        except DeadlinePassed as exc:
            raise Unfinished(str(exc)) from None
        if ended.raised is None:
            return None if ended.value is None else str(ended.value)[:255]
        said = masked(f"{type(ended.raised).__name__}: {ended.text}")[:300]
        if isinstance(ended.raised, NotSent):
            raise NotSent(said)
        if isinstance(ended.raised, MailRefused):
            raise MailRefused(said)
        raise Unfinished(said)

    def close(self) -> None:
        """Close the sender's HTTP client."""
        self._http.close()


def open_mailer(
    pm: pluggy.PluginManager,
    *,
    name: str,
    address: str,
    settings: Mapping[str, Any],
    http: httpx.Client,
    clock: Clock,
) -> Mailer:
    """Return the mailer that the settings name. Raises `BadSettings` and `BrokenPlugin`; no text holds a value."""
    found = mail_senders(pm)
    cls = found.get(name)
    if cls is None:
        raise BadSettings(f"PENSTOCK_MAIL: no plugin sends mail by {name!r}; there are {', '.join(sorted(found))}")
    if cls.needs_address and not address:
        raise BadSettings(f"PENSTOCK_MAIL_FROM: {name} needs an address to send from")
    for fault in jsonschema_rs.validator_for(dict(cls.settings_schema)).iter_errors(dict(settings)):
        place = "/".join(map(str, fault.instance_path)) or str(fault.schema_path[-1])
        raise BadSettings(f"PENSTOCK_MAIL_SETTINGS: they do not fit what {name} takes ({place})")
    try:
        sender = cls(Context(settings, http, clock))
    except Exception as exc:  # noqa: BLE001  whatever a plugin makes of its settings is the operator's to mend
        raise BadSettings(f"PENSTOCK_MAIL_SETTINGS: {masked(str(exc))}") from None
    return Mailer(sender, address or "penstock@localhost", http)


def mail_senders(pm: pluggy.PluginManager) -> dict[str, type[MailSender]]:
    """Return every offered sender by name. Raises `BrokenPlugin` for one that cannot be what it says."""
    found: dict[str, type[MailSender]] = {}
    for offered in pm.hook.penstock_mail_senders():
        for cls in offered:
            _check(cls)
            if found.setdefault(cls.name, cls) is not cls:
                raise BrokenPlugin(f"two senders of mail call themselves {cls.name!r}")
    return found


def _check(cls: object) -> None:
    if not (isinstance(cls, type) and issubclass(cls, MailSender)):
        raise BrokenPlugin(f"{cls!r} was offered as a sender of mail and is not a subclass of MailSender")
    where = f"{cls.__module__}.{cls.__qualname__}"
    if inspect.isabstract(cls):
        raise BrokenPlugin(f"{where} lacks {', '.join(sorted(cls.__abstractmethods__))}")
    if not isinstance(getattr(cls, "name", None), str) or not _NAME.fullmatch(cls.name):
        raise BrokenPlugin(f"{where}: its name is not lower case letters, digits and underscores")
    schema = getattr(cls, "settings_schema", None)
    if not isinstance(schema, Mapping) or not jsonschema_rs.meta.is_valid(dict(schema)):
        raise BrokenPlugin(f"{where}: settings_schema is not a JSON Schema")
