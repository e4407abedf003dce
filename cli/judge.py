"""Holds an answer against the published document, with a validator that the server does not use."""

from collections.abc import Iterator
from typing import Any

import httpx
from openapi_schema_validator import OAS30ReadValidator

from cli.walk import Step

Json = dict[str, Any]


class Judge:
    """Knows the document that the server publishes."""

    def __init__(self, document: Json) -> None:
        self._document = document
        self._base = str(document["servers"][0]["url"]).rstrip("/")

    def address(self, step: Step) -> str:
        """Return the path that a step asks for."""
        return self._base + step.path

    def faults(self, step: Step, response: httpx.Response) -> list[str]:
        """Return, in sentences, where an answer differs from what the spec says. Empty for one that keeps its word."""
        if response.status_code != step.status:
            return [f"it answered {response.status_code} where {step.status} was due: {response.text[:500]}"]
        if not response.headers.get("x-request-id"):
            return ["it has no X-Request-Id"]
        declared = self._document["paths"][step.route][step.method.lower()]["responses"][str(step.status)]
        media = declared["content"].get(response.headers.get("content-type", "").partition(";")[0])
        if media is None:
            return [f"its content type is {response.headers.get('content-type')}"]
        return list(self._misfits(media["schema"], response.json()))

    def _misfits(self, schema: Json, body: Any) -> Iterator[str]:
        rooted = {"allOf": [schema], "components": self._document["components"]}
        for error in OAS30ReadValidator(rooted).iter_errors(body):
            yield f"{'/'.join(map(str, error.absolute_path)) or 'the body'}: {error.message}"
