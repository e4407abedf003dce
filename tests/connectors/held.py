"""Holds every request that an engine or a source sends against the provider's own description of its API."""

from typing import ClassVar

import httpx

from penstock.conformance.provider import Answer, CannedProvider, SideCall, standing_clock
from penstock.conformance.sources import SourceBench
from penstock.connector import Context
from tests.connectors.official import Description


class Asking(httpx.BaseTransport):
    """Passes requests on once they are as described. Answers are whatever the test makes of them."""

    def __init__(self, inner: httpx.BaseTransport, descriptions: tuple[Description, ...]) -> None:
        self._inner = inner
        self._descriptions = descriptions

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        one = next((each for each in self._descriptions if each.knows(request)), self._descriptions[0])
        one.check_request(request)
        return self._inner.handle_request(request)


class Held(SourceBench):
    """Mix it into a contract to have every request of the kit held."""

    descriptions: ClassVar[tuple[Description, ...]]

    def built(self, answer: Answer, side_call: SideCall | None = None):
        canned = CannedProvider(answer, side_call or self.side_call)
        http = httpx.Client(transport=Asking(canned, self.descriptions), trust_env=False)
        return self.provider(Context(self.settings, http, standing_clock(), self.environment)), canned
