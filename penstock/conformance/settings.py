"""What a provider of any kind keeps about the settings of an account."""

# ruff: noqa: D102  a test's name is its sentence

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import jsonschema_rs

from penstock.connector import Provider

_SOUNDS_SECRET: Final = re.compile(r"(?i)key|secret|token|password|credential")


class AccountBench:
    """One account: ``settings`` that fit the schema of the provider's class."""

    settings: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def tried(cls) -> type[Provider]:
        """Return the class that is tried."""
        raise NotImplementedError

    def secrets(self) -> list[str]:
        """Return the values of the settings that are marked as secrets."""
        marked = {name for name, prop in self._properties().items() if prop.get("writeOnly")}
        return [value for name, value in self.settings.items() if name in marked and isinstance(value, str)]

    def _properties(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.tried().settings_schema.get("properties", {})
        return found


class SettingsPromises(AccountBench):
    """The schema, and what in it is secret."""

    def test_its_settings_schema_is_one_and_knows_required_settings(self) -> None:
        schema = dict(self.tried().settings_schema)
        assert jsonschema_rs.meta.is_valid(schema), "settings_schema is not a JSON Schema"
        assert schema.get("type") == "object", "settings_schema describes an object"
        assert jsonschema_rs.is_valid(schema, dict(self.settings)), "the kit's own settings do not fit"
        if schema.get("required"):
            assert not jsonschema_rs.is_valid(schema, {}), "empty settings must be refused"

    def test_its_secret_settings_are_marked(self) -> None:
        for name, prop in self._properties().items():
            if _SOUNDS_SECRET.search(name) and prop.get("type", "string") == "string":
                assert "writeOnly" in prop, f"{name} sounds like a secret: mark it writeOnly (or say writeOnly: false)"
