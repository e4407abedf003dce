"""What an operator may set: environment variables ``PENSTOCK_*``, over an optional TOML file, over laptop defaults."""

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

PREFIX: Final = "PENSTOCK_"
CONFIG_VARIABLE: Final = "PENSTOCK_CONFIG"
DEFAULT_CONFIG: Final = Path("penstock.toml")
MIN_SECRET_BYTES: Final = 32
_MIN_DISTINCT: Final = 10
_UNDER_ANOTHER_MODULE: Final = frozenset({CONFIG_VARIABLE, "PENSTOCK_TRACE_PLUGINS"})


class BadSettings(Exception):
    """The settings cannot be used. The message names each one, says what is wrong with it and what to do."""


def _resolved(path: Path) -> Path:
    return path.expanduser().absolute()


def _bare_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("write a plain address such as https://pay.example.com")
    return url.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_bare_url)]
LocalPath = Annotated[Path, AfterValidator(_resolved)]


class Settings(BaseSettings):
    """Every setting. In the environment its name has the prefix ``PENSTOCK_``; in the file it stands as it is.

    ``threads`` are request threads of one server process, ``workers`` its processes. Addresses have no trailing slash.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    state_dir: LocalPath = Field(
        default=Path("penstock-state"), description="Folder for what this server keeps in files.", validate_default=True
    )
    database_url: str = Field(
        default="", description="sqlite:///file.db or postgresql://user:password@host/name.", repr=False
    )
    redis_url: str | None = Field(
        default=None, description="redis://host:6379/0. Without it the jobs run inside the server.", repr=False
    )
    secret_key: SecretStr | None = Field(
        default=None, description="Root secret, 32 bytes or more. With SQLite one is made and kept beside the database."
    )
    master_keys: SecretStr | None = Field(
        default=None,
        description="Secrets that master keys are made of, the newest first, with commas between them. The root secret's "
        "is always the last one.",
    )
    webhook_loopback: bool = Field(
        default=False,
        description="Whether webhooks outside production may go to http addresses on this machine.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.", min_length=1)
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on.")
    public_url: HttpUrl = Field(default="", description="Where buyers and merchants reach this server.")
    workers: int = Field(default=1, ge=1, le=64, description="Server processes.")
    threads: int = Field(default=16, ge=1, le=256, description="Request threads of each process.")
    queue_limit: int = Field(
        default=512, ge=1, le=100_000, description="Requests that may wait for a thread; further ones are told 503."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="What is logged.")
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: for people on a terminal, JSON elsewhere."
    )
    validate_responses: Literal["raise", "log", "off"] = Field(
        default="log",
        description="An answer of ours that breaks the spec: raise for tests, log and count (a sample), or off.",
    )
    sandbox_bank: str = Field(
        default="", description="The bank behind the sandbox connectors: a file, or the http address of a fake bank."
    )
    issuer: str = Field(default="penstock", min_length=1, description="`iss` of the dashboard tokens made here.")
    dashboard_hours: int = Field(default=12, ge=1, le=168, description="How long a dashboard token is good for.")
    breaker: Literal["on", "dry_run"] = Field(
        default="on", description="A failing provider is left alone for a while; with dry_run that is only logged."
    )
    mail: str = Field(
        default="files", description="How e-mail leaves: files, smtp, resend, or the name of a plugin's sender."
    )
    mail_from: str = Field(
        default="", max_length=254, pattern=r"^([^@\s]+@[^@\s]+)?$", description="The address that e-mail comes from."
    )
    mail_settings: dict[str, Any] = Field(
        default_factory=dict,
        description="What the sender needs, as JSON: host and password, or an API key.",
        repr=False,
    )
    otel_endpoint: HttpUrl | None = Field(default=None, description="OTLP over HTTP: where traces are sent.")

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            _check_secret(secret.get_secret_value())
        return secret

    @field_validator("master_keys")
    @classmethod
    def _each_long_enough(cls, secrets: SecretStr | None) -> SecretStr | None:
        for text in secrets.get_secret_value().split(",") if secrets is not None else ():
            _check_secret(text.strip())
        return secrets

    @field_validator("redis_url")
    @classmethod
    def _known_broker(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).scheme not in ("redis", "rediss", "unix"):
            raise ValueError("write redis://host:6379/0")
        return url

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        return _database_url(url) if url else url

    @model_validator(mode="before")
    @classmethod
    def _derived(cls, given: Any) -> Any:
        if isinstance(given, dict) and not given.get("public_url"):
            given = {**given, "public_url": f"http://localhost:{given.get('port') or 8000}"}
        return given

    @model_validator(mode="after")
    def _in_state_dir(self) -> Self:
        if not self.database_url:
            object.__setattr__(self, "database_url", f"sqlite:///{self.state_dir / 'penstock.db'}")
        if not self.sandbox_bank:
            object.__setattr__(self, "sandbox_bank", str((self.sqlite_file or self.state_dir).with_name("bank.db")))
        return self

    @property
    def master_secrets(self) -> list[str]:
        """The secrets before the root secret in the ring of master keys, the newest first."""
        listed = self.master_keys.get_secret_value() if self.master_keys is not None else ""
        return [text.strip() for text in listed.split(",") if text.strip()]

    @property
    def sqlite_file(self) -> Path | None:
        """The database file, absolute; None where the database is a server."""
        head, found, path = self.database_url.partition(":///")
        return Path(path) if found and head.startswith("sqlite") else None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what is given in code, then the environment, then the file."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, _config_file())


class _Bare(Settings):
    """Settings that neither the environment nor a file has a say in."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what is given in code."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def bare(**given: Any) -> Settings:
    """Return settings from what is given here alone: for the demo and for tests. Raises `BadSettings`."""
    try:
        return _Bare(**given)
    except ValidationError as exc:
        raise BadSettings(_explained(exc)) from None


def load(**given: Any) -> Settings:
    """Return the settings; what is ``given`` (and not None) goes over the environment and the file.

    Raises `BadSettings`. Values of secrets are in no message.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as exc:
        raise BadSettings(_explained(exc)) from None
    except (OSError, ValueError) as exc:  # a file that cannot be read, or is no TOML
        raise BadSettings(
            f"{_config_file()}: {exc}. Correct the file, or point {CONFIG_VARIABLE} at another."
        ) from None


def unknown_variables() -> list[str]:
    """Return a sentence for each environment variable with our prefix that nothing reads."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | _UNDER_ANOTHER_MODULE
    strange = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    return [f"{name} is not a setting{_meant(name, known)}" for name in strange]


def _check_secret(text: str) -> None:
    if len(text.encode()) < MIN_SECRET_BYTES or len(set(text)) < _MIN_DISTINCT:
        raise ValueError("it is too easy to guess; make one with: openssl rand -base64 32")


def _config_file() -> Path | None:
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise BadSettings(f"{CONFIG_VARIABLE} names {path}, and there is no such file.")
        return path
    return DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None


def _database_url(url: str) -> str:
    head, found, rest = url.partition("://")
    if found and head in ("sqlite", "sqlite+pysqlite"):
        if not rest.startswith("/") or rest in ("/", "/:memory:"):
            raise ValueError("SQLite needs a file: sqlite:///penstock.db, or sqlite:////srv/penstock.db")
        path, _, query = rest[1:].partition("?")
        if query:
            raise ValueError("SQLite takes no options here; write only the file")
        return f"sqlite:///{Path(path).expanduser().absolute()}"
    if found and head in ("postgres", "postgresql", "postgresql+psycopg"):
        return f"postgresql+psycopg://{rest}"
    raise ValueError("write sqlite:///penstock.db or postgresql://user:password@host:5432/name")


def _explained(exc: ValidationError) -> str:
    lines = []
    for fault in exc.errors(include_url=False, include_input=False):
        name = str(fault["loc"][0]) if fault["loc"] else "settings"
        if fault["type"] == "extra_forbidden":
            lines.append(f"{name} is not a setting{_meant(name, set(Settings.model_fields))}.")
            continue
        message = fault["msg"].removeprefix("Value error, ")
        lines.append(f"{PREFIX}{name.upper()}: {_within_sentence(message)}")
    return "\n".join(lines)


def _within_sentence(message: str) -> str:
    """Return a message with a small first letter, unless its first word is a name such as SQLite."""
    first = message.partition(" ")[0]
    return message if first[1:].lower() != first[1:] else message[:1].lower() + message[1:]


def _meant(name: str, known: set[str]) -> str:
    near = get_close_matches(name, known, 1)
    return f" (did you mean {near[0]}?)" if near else ""
