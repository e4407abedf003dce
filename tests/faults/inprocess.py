"""One request to the application in this process, from lifespan to answer. For forked children: nothing outlives it."""

import asyncio
import json
from typing import Any


def ask(app: Any, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Start the application, send it one request, and return status and parsed body. Header names have ``_`` for ``-``."""
    return asyncio.run(_ask(app, [(method, path, body, headers)]))[0]


def ask_all(app: Any, requests: list[tuple[str, str, Any, dict[str, str]]]) -> list[tuple[int, Any]]:
    """Start the application, send it the requests one after the other, and return the answers."""
    return asyncio.run(_ask(app, requests))


async def _ask(app: Any, requests: list[tuple[str, str, Any, dict[str, str]]]) -> list[tuple[int, Any]]:
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    lifespan = asyncio.create_task(
        app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, inbox.get, outbox.put)
    )
    await inbox.put({"type": "lifespan.startup"})
    started = await outbox.get()
    if started["type"] != "lifespan.startup.complete":
        raise RuntimeError(f"the application did not start: {started}")
    answers = [await _request(app, *request) for request in requests]
    await inbox.put({"type": "lifespan.shutdown"})
    await outbox.get()
    await lifespan
    return answers


async def _request(app: Any, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
    content = b"" if body is None else json.dumps(body).encode()
    given = {"host": "127.0.0.1", "content-length": str(len(content)), **headers}
    if body is not None:
        given["content-type"] = "application/json"
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
        "extensions": {},
    }
    sent: list[dict[str, Any]] = []
    left = [{"type": "http.request", "body": content, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return left.pop() if left else await asyncio.Future()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    raw = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], json.loads(raw) if raw else None
