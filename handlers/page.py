"""Pages at the door: how a page is asked, and how its answer goes out. The pages themselves live in their own room."""

from collections.abc import Sequence

from handlers.envelope import Envelope
from handlers.failures import error_for
from handlers.pace import Pace
from handlers.parameters import NotText, text_of
from handlers.request import Request, current_id
from handlers.respond import Answer, encoded
from penstock.errors import NotFound
from penstock.events import declared_events
from penstock.web_page import PageRequest, Route

FORM_LIMIT = 65536


class PageEndpoint:
    """One page."""

    pace = Pace(is_here=False)
    is_browser_safe = False

    def __init__(self, page: Route, envelope: Envelope) -> None:
        method, self._template, self._show = page
        self._names = [segment[1:-1] for segment in self._template.split("/") if segment.startswith("{")]
        self._envelope = envelope
        self.name = f"page {self._template}"
        self.body_limit: int | None = FORM_LIMIT if method == "POST" else None

    def run(self, request: Request) -> Answer:
        """Show the page, or the envelope of what went wrong."""
        current_id.set(request.id)
        declared_events.set(None)  # this thread may have run an operation before
        try:
            shown = self._show(self._asked(request))
        except Exception as failure:  # noqa: BLE001 -- the last line of defense: every failure becomes an envelope
            return self._envelope.answer(error_for(failure, self.name), request.id)
        return Answer(shown.status, shown.body, encoded(shown.headers))

    def _asked(self, request: Request) -> PageRequest:
        try:
            params = _params(self._names, request.values)
        except NotText:
            raise NotFound from None
        return PageRequest(
            "GET" if request.method == "HEAD" else request.method,
            request.path.decode("latin-1"),
            params,
            request.query.decode("latin-1"),
            {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.items()},
            request.body,
        )


def _params(names: Sequence[str], values: Sequence[bytes]) -> dict[str, str]:
    return {name: text_of(value) for name, value in zip(names, values, strict=True)}
