"""The application: connexion's frame around the one pipeline, with every operation compiled before the first request."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import orjson
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.middleware.main import API, ConnexionMiddleware
from connexion.resolver import RelativeResolver

from bootstrap import House
from handlers import event_document, spec
from handlers.checked_document import CheckedDocument
from handlers.checks import Watch
from handlers.contract import DoorHouse
from handlers.documents import Document
from handlers.envelope import Envelope
from handlers.health import Exposition, Live, Ready
from handlers.lane import Lane
from handlers.metrics import Metrics
from handlers.operation import Workshop
from handlers.page import PageEndpoint
from handlers.pipeline import Pipeline
from handlers.pool import Pool
from handlers.respond import Answer
from handlers.schema import Compiler
from handlers.sealing import Seal
from penstock import catalogue
from penstock.web_page import Route
from storage.sqlite import SqliteDatabase

Json = Mapping[str, Any]


class Door(ConnexionMiddleware):
    """The ASGI application. `pipeline` is the compiled spec, `metrics` what it counted, `envelope` writes its errors."""

    def __init__(
        self,
        pipeline: Pipeline,
        metrics: Metrics,
        crews: Sequence[Pool[Any, Answer] | Lane[Any, Answer]],
        envelope: Envelope,
    ) -> None:
        self.pipeline = pipeline
        self.metrics = metrics
        self.envelope = envelope
        # Connexion's error middlewares would look for failures that the pipeline, which they enclose, lets none pass.
        around: list[Any] = [LifespanMiddleware]
        super().__init__(pipeline, import_name="handlers", middlewares=around, lifespan=_lifespan(crews))

    def bind(self, document: Json, resolver: RelativeResolver) -> None:
        """Bind a document's operations, as `add_api` does, which knows only connexion's own check of it."""
        options = vars(self.options.replace(resolver=resolver))
        self.apis.append(API(CheckedDocument(document), base_path=None, **options))

    def build(self) -> None:
        """Compile now: a fault in the spec must stop the start, not the first request."""
        self.app, self.middleware_stack = self._build_middleware_stack()


class HouseResolver(RelativeResolver):
    """``operationId: carts.create_cart`` is ``handlers/carts.py: create_cart``."""

    def __init__(self, package: str) -> None:
        super().__init__(package)  # type: ignore[no-untyped-call]  # connexion has no types there


def create_app(
    house: DoorHouse,
    document: Json | None = None,
    handlers_package: str = "handlers",
    pages: Sequence[Route] = (),
    *,
    errors: Mapping[str, Json] | None = None,
) -> Door:
    """Return the application. Raises `BadSpec` where the spec and the handlers do not fit each other."""
    published = spec.load() if document is None else document
    declared = errors if errors is not None else {code: asdict(entry) for code, entry in catalogue.errors().items()}
    envelope = Envelope(declared, house.settings.public_url)
    metrics = Metrics()
    if isinstance(house, House):
        house.cascade.health.watch(metrics)
    pool: Pool[Any, Answer] = Pool(house.settings.threads, house.settings.queue_limit)
    shop = Workshop(
        house=house,
        envelope=envelope,
        seal=Seal(house.keyring.key("answers")),
        watch=Watch(house.settings.validate_responses, metrics.count_break),
        scopes=catalogue.scopes(),
        compiler=Compiler(published["components"]),
        document=published,
    )
    lane = _lane(house, pool)
    pipeline = Pipeline(shop, metrics, pool, lane)
    _add_plain(pipeline, published if document is not None else None)
    pipeline.add("GET", "/health/ready", Ready(house, envelope))
    look = (lambda: house.backlog.look(house.clock.now())) if isinstance(house, House) else None
    pipeline.add("GET", "/metrics", Exposition(metrics, lambda: pool.waiting, look))
    for page in pages:
        pipeline.add(page[0], page[1], PageEndpoint(page, envelope))
    door = Door(pipeline, metrics, [lane, pool] if lane is not None else [pool], envelope)
    door.bind(published, HouseResolver(handlers_package))
    door.build()
    return door


def _add_plain(pipeline: Pipeline, document: Json | None) -> None:
    as_json = spec.as_json if document is None else partial(orjson.dumps, document)
    as_yaml = spec.as_yaml if document is None else partial(spec.in_yaml, document)
    for name, in_json, in_yaml in (
        ("openapi", as_json, as_yaml),
        ("events", event_document.as_json, event_document.as_yaml),
    ):
        pipeline.add("GET", f"/{name}.json", Document(f"{name}.json", in_json, "application/json"))
        pipeline.add("GET", f"/{name}.yaml", Document(f"{name}.yaml", in_yaml, "application/yaml", is_slow=True))
    pipeline.add("GET", "/health/live", Live())


def _lane(house: DoorHouse, pool: Pool[Any, Answer]) -> Lane[Any, Answer] | None:
    """Return the one thread that writes, where the database has one writer."""
    if isinstance(house, House) and isinstance(house.database, SqliteDatabase):
        return Lane(pool, house.database.together)
    return None


def _lifespan(crews: Sequence[Pool[Any, Answer] | Lane[Any, Answer]]) -> Any:
    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        for crew in crews:
            crew.close()

    return lifespan
