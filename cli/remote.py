"""Asks a server over its API, with a key, as a developer far from its database does."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Self

import httpx
import orjson
import typer

from cli.trouble import Trouble

Api = Annotated[str, typer.Option("--api", envvar="PENSTOCK_API", help="Where the server is.")]
Key = Annotated[
    str | None, typer.Option("--key", envvar="PENSTOCK_API_KEY", help="A secret key of the environment.", metavar="KEY")
]
HERE: Final = "http://127.0.0.1:8000"
_TIMEOUT: Final = 20.0


@dataclass(slots=True)
class Remote:
    """A server and a key for it. Use it as a context manager."""

    api: str
    key: str = field(repr=False)
    _client: httpx.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        root = f"{self.api.rstrip('/')}/api/v1"
        self._client = httpx.Client(
            base_url=root, headers={"x-api-key": self.key}, timeout=_TIMEOUT, trust_env=False, follow_redirects=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **query: Any) -> Any:
        """Return what a GET answers. Raises `Trouble`, and httpx's own error where nobody answers."""
        wanted = {name: value for name, value in query.items() if value is not None}
        return _body(self._client.get(path, params=wanted))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return what a POST answers. Raises `Trouble`, and httpx's own error where nobody answers."""
        return _body(self._client.post(path, json=body))

    def events(self, after: int) -> Iterator[Mapping[str, Any]]:
        """Yield all events behind a number that there are now."""
        while True:
            page = self.get("/events", afterSequence=after, limit=200)
            yield from page["data"]
            after = page["meta"]["lastSequence"]
            if not page["meta"]["hasMore"]:
                return

    def latest(self) -> int:
        """Return the number of the newest event."""
        return int(self.get("/events", limit=1)["meta"]["latestSequence"])


def remote(api: str, key: str | None) -> Remote:
    """Return the server to ask. Raises `Trouble` where there is no key."""
    if not key:
        raise Trouble("which shop? Give a secret key with events:read as --key, or in PENSTOCK_API_KEY.")
    return Remote(api, key)


def unreachable(api: str, failure: httpx.HTTPError) -> Trouble:
    """Return the trouble of a server that does not answer."""
    return Trouble(f"{api} does not answer ({type(failure).__name__}). Is the server running? --api says where it is.")


def _body(answer: httpx.Response) -> Any:
    try:
        found = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        raise Trouble(f"{answer.url} answered {answer.status_code}, and no JSON: is that a Penstock server?") from None
    if answer.is_success:
        return found
    error = found.get("error", {}) if isinstance(found, dict) else {}
    raise Trouble(f"the server refused: {answer.status_code} {error.get('code')}. {error.get('message')}")
