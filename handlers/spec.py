"""The published document: the files of ``spec/`` joined, each operation's errors written out, and kept as bytes."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import orjson
import yaml

from handlers import answers
from handlers.bundle import Bundle
from penstock import catalogue
from penstock._roots import root

Json = dict[str, Any]


@cache
def load() -> Json:
    """Return the whole document with ``#/components/...`` references alone. It is shared: copy it before changing it."""
    bundle = Bundle(root() / "spec")
    file = bundle.folder / "errors.yaml"
    declared = {
        code: replace(entry, details=bundle.rewrite(entry.details, file)) for code, entry in catalogue.errors().items()
    }
    answers.expand(bundle.document, declared)
    bundle.document["x-events"] = {
        event.type: {
            "description": event.when,
            "x-object": event.object,
            "schema": {"$ref": f"#/components/schemas/{event.data}"},
        }
        for event in catalogue.events().values()
    }
    return bundle.document


@cache
def as_json() -> bytes:
    """Return the document as JSON, the same bytes every time."""
    return orjson.dumps(load())


@cache
def as_yaml() -> bytes:
    """Return the document as YAML for people, the same bytes every time."""
    return in_yaml(load())


def in_yaml(document: Mapping[str, Any]) -> bytes:
    """Return a document as YAML for people."""
    return yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120, encoding="utf-8")


class _Plain(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  (PyYAML's own signature)
        return True
