"""A house of cardboard for the door's own tests: storage in a dict, three keys, one member, one session."""

import threading
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import yaml

from handlers import spec
from penstock.caller import Caller, Scope, Standing
from penstock.clock import SystemClock
from penstock.errors import IdempotencyConflict, IdempotencyInProgress, MissingApplicationId, Unauthorized

SECRET, WEAK, PUBLISHABLE, TOKEN = "sk_test_secret", "sk_test_weak", "pk_test_page", "jwt.of.ada"
SESSION = "cs_" + "a" * 32
ORIGIN = "https://shop.example"
_SCOPE = Scope("w", "e", "a")
_STANDING = Standing(is_live=True, is_entitled=True, is_trial_over=False)


def caller(kind, principal_id, scopes=(), permissions=()):
    return Caller(
        scope=_SCOPE,
        kind=kind,
        principal_id=principal_id,
        environment_slug="test",
        is_production=False,
        standing=_STANDING,
        scopes=frozenset(scopes),
        permissions=frozenset(permissions),
    )


class Identity:
    keys: ClassVar = {
        SECRET: caller("secret", "key-1", ["*"]),
        WEAK: caller("secret", "key-2", ["orders:write"]),
        # As if somebody had given it more than its kind may have.
        PUBLISHABLE: caller("publishable", "key-3", ["shipping_quotes:write", "carts:read", "*"]),
    }

    def by_key(self, raw_key):
        if raw_key not in self.keys:
            raise Unauthorized
        return self.keys[raw_key]

    def by_dashboard_token(self, token, application_id, environment_id):
        if application_id is None:
            raise MissingApplicationId
        if token != TOKEN:
            raise Unauthorized
        return caller("dashboard", "ada", permissions=[] if application_id == "weak" else ["application:api-keys"])

    def by_session(self, session_id):
        return caller("session", session_id) if session_id == SESSION else None


class Keys:
    def __init__(self, rows):
        self.rows = rows

    def claim(self, principal_id, operation, key, fingerprint, lease_seconds):
        found = self.rows.get((principal_id, operation, key))
        if found is None:
            self.rows[principal_id, operation, key] = [fingerprint, None]
            return None
        if found[0] != fingerprint:
            raise IdempotencyConflict
        if found[1] is None:
            raise IdempotencyInProgress
        return found[1]

    def store(self, principal_id, operation, key, answer):
        self.rows[principal_id, operation, key][1] = answer

    def forget(self, principal_id, operation, key):
        del self.rows[principal_id, operation, key]


class House:
    """One transaction at a time; what a block did is undone where it fails."""

    def __init__(self, *, validate_responses="raise", threads=4, sqlite_file=None, queue_limit=512):
        self.settings = SimpleNamespace(
            public_url="https://pay.example",
            threads=threads,
            validate_responses=validate_responses,
            sqlite_file=sqlite_file,
            queue_limit=queue_limit,
        )
        self.clock = SystemClock()
        self.keyring = SimpleNamespace(key=lambda purpose: purpose.encode().ljust(32, b"."))
        self.identity = Identity()
        self.state = {"notes": [], "keys": {}}
        self.reason = None
        self._lock = threading.Lock()

    @contextmanager
    def work(self, scope, *, read=False):
        with self._lock:
            before = deepcopy(self.state)
            try:
                yield SimpleNamespace(notes=self.state["notes"], idempotency=Keys(self.state["keys"]))
            except BaseException:
                self.state = before
                raise

    def cors_origins(self, session_id):
        return {ORIGIN} if session_id == SESSION else ()

    def unready(self):
        return self.reason


def document(**changed_paths):
    """The probes, with the security schemes and the address of the real document."""
    probes = yaml.safe_load((Path(__file__).parent / "probes.yaml").read_text())
    real = spec.load()
    components = probes["components"] | {"securitySchemes": real["components"]["securitySchemes"]}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Probes", "version": "1"},
        "servers": real["servers"],
        "paths": probes["paths"] | changed_paths,
        "components": components,
    }
