"""Leads through the demo's checkout: makes each request, shows it with its answer, and judges the answer."""

from http import HTTPStatus
from typing import Any

import httpx
from rich.console import Console

from cli import show
from cli.judge import Judge
from cli.walk import Step, Unexpected, checkout
from handlers import spec
from penstock.api_key import RawKey, masked

Json = dict[str, Any]
INDENT = 4
SHOP = "https://shop.example"


class Misstep(Exception):
    """An answer was not what the spec, or this checkout, says."""


class Guide:
    """Walks one checkout with a secret key. ``order`` is the paid order afterwards."""

    def __init__(self, client: httpx.Client, out: Console, key: RawKey, application_id: str) -> None:
        self.key = key
        self.count = 0
        self.order: Json = {}
        self._client = client
        self._out = out
        self._application_id = application_id
        self._judge = Judge(spec.load())

    def walk(self) -> None:
        """Go from the empty cart to the paid order. Raises `Misstep`."""
        steps = checkout(self._application_id, SHOP)
        answer: Any = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                self.order = end.value
                return
            except Unexpected as exc:
                raise Misstep(str(exc)) from None
            answer = self._take(step)

    def open_another(self) -> Json:
        """Open a checkout session that somebody may pay in a browser, without showing how."""
        steps = checkout(self._application_id, SHOP)
        answer: Any = None
        while True:
            step = steps.send(answer)
            answer = self._ask(step).json()
            if step.route == "/checkout/sessions":
                return dict(answer)

    def _take(self, step: Step) -> Any:
        self.count += 1
        self._show_request(step)
        response = self._ask(step)
        faults = self._judge.faults(step, response)
        self._show_answer(response, is_good=not faults)
        if faults:
            raise Misstep("; ".join(faults))
        return response.json()

    def _ask(self, step: Step) -> httpx.Response:
        headers = {} if step.is_browser else {"X-API-Key": self.key.text}
        return self._client.request(step.method, self._judge.address(step), headers=headers, json=step.body)

    def _show_request(self, step: Step) -> None:
        who = "the buyer's browser, no key" if step.is_browser else f"X-API-Key: {masked(self.key.text)}"
        self._out.print(f"\n[bold]{self.count:2}  {step.title}[/]")
        self._out.print(f"    [bold cyan]{step.method}[/] {self._judge.address(step)}   [dim]{who}[/]")
        if step.body is not None:
            self._out.print(show.pretty(step.body, indent=INDENT))

    def _show_answer(self, response: httpx.Response, *, is_good: bool) -> None:
        colour, sign = ("green", "✓") if is_good else ("red", "✗")
        milliseconds = response.elapsed.total_seconds() * 1000
        phrase = HTTPStatus(response.status_code).phrase
        self._out.print(f"    [{colour}]{sign} {response.status_code} {phrase}[/]   [dim]{milliseconds:.0f} ms[/]")
        if response.headers.get("content-type", "").startswith("application/json"):
            self._out.print(show.pretty(response.json(), indent=INDENT))
