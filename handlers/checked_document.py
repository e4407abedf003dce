"""The spec's document as connexion has it, checked by the compiled validator.

Connexion's own check walks the document in Python, which took half a second of every start.
"""

from collections.abc import Mapping
from typing import Any, Final

import jsonschema_rs
import orjson
from connexion.exceptions import InvalidSpecification
from connexion.spec import OpenAPISpecification

from handlers.pointers import pointer_to

_FORM: Final = jsonschema_rs.Draft4Validator(OpenAPISpecification.openapi_schema)


class CheckedDocument(OpenAPISpecification):
    """An OpenAPI 3.0 document. Raises connexion's `InvalidSpecification` for one that is none."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        # A copy of its own, with JSON's keys: connexion fills in what is left out.
        super().__init__(orjson.loads(orjson.dumps(document)))  # type: ignore[no-untyped-call]  # connexion has no types there

    @classmethod
    def _validate_spec(cls, spec: Mapping[str, Any]) -> None:
        fault = next(_FORM.iter_errors(spec), None)
        if fault is not None:
            raise InvalidSpecification(f"{pointer_to(fault.instance_path)}: {fault.message}")
