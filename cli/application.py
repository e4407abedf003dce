"""What a server process runs: the front door with its pages, and the jobs beside it where nobody else does them."""

import importlib
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal

from bootstrap import House, build
from cli.trouble import Trouble
from handlers import logs, spec
from handlers.app import create_app
from handlers.server import settle
from jobs.chime import Ringer
from jobs.crew import Crew
from jobs.embedded import embedded
from pages.routes import routes
from penstock import __version__
from penstock.settings import Settings, load

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]


class Application:
    """The ASGI application of one process. It owns its house: when the server stops, jobs and database do too."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.door = create_app(house, pages=routes(house, spec.load()))
        # With Redis the jobs are done elsewhere, and whoever does them has to be told.
        redis_url = house.settings.redis_url
        self._beside: Crew | Ringer = Ringer(redis_url) if redis_url else embedded(house, self.door.metrics)
        if isinstance(self._beside, Ringer):
            house.bell.listen(self._beside.ring)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass everything on, and take part when the server starts and stops."""
        if scope["type"] != "lifespan":
            await self.door(scope, receive, send)
            return

        async def watched(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._beside.start()
            if message["type"].startswith("lifespan.shutdown"):
                self._close()
            await send(message)

        await self.door(scope, receive, watched)

    def _close(self) -> None:
        self._beside.stop()
        self.house.close()


def create() -> Application:
    """Return the application as the environment's settings have it. What a server process starts with."""
    settings = load()
    configure_logs(settings)
    configure_tracing(settings)
    application = Application(build(settings))
    settle()
    return application


def configure_logs(settings: Settings) -> None:
    """Log as the settings say; lines for people where a person is watching."""
    here: Literal["console", "json"] = "console" if sys.stdout.isatty() else "json"
    logs.configure(settings.log_level, here if settings.log_format == "auto" else settings.log_format)


def configure_tracing(settings: Settings) -> None:
    """Send spans to the endpoint that is set, if one is."""
    if settings.otel_endpoint is None:
        return
    try:
        trace: Any = importlib.import_module("opentelemetry.trace")
        sdk: Any = importlib.import_module("opentelemetry.sdk.trace")
        export: Any = importlib.import_module("opentelemetry.sdk.trace.export")
        otlp: Any = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        resources: Any = importlib.import_module("opentelemetry.sdk.resources")
    except ModuleNotFoundError as exc:
        raise Trouble(
            f"PENSTOCK_OTEL_ENDPOINT is set and {exc.name} is not installed. Run: pip install 'penstock[otel]'"
        ) from None
    about = resources.Resource.create({"service.name": "penstock", "service.version": __version__})
    provider = sdk.TracerProvider(resource=about)
    provider.add_span_processor(
        export.BatchSpanProcessor(otlp.OTLPSpanExporter(endpoint=f"{settings.otel_endpoint}/v1/traces"))
    )
    trace.set_tracer_provider(provider)
