"""The published catalogue is a valid document that says what events are, and its examples fit."""

import json

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from handlers import event_document, spec
from handlers.event_document import _modern
from penstock import catalogue
from penstock.event_example import example_event

DOCUMENT = event_document.load()
HOOKS = DOCUMENT["webhooks"]


def schema_of(kind):
    return HOOKS[kind]["post"]["requestBody"]["content"]["application/json"]["schema"]


def complaints(value, schema):
    whole = {**schema, "components": DOCUMENT["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def test_the_catalogue_is_an_openapi_3_1_document():
    assert not list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors())


def test_every_event_type_is_a_webhook_and_nothing_else_is():
    assert list(HOOKS) == list(catalogue.events())


def test_both_published_forms_say_the_same():
    assert json.loads(event_document.as_json()) == yaml.safe_load(event_document.as_yaml()) == DOCUMENT


@pytest.mark.parametrize("kind", HOOKS)
def test_an_example_fits_its_schema_and_no_other_type_s(kind):
    assert not complaints(example_event(kind), schema_of(kind))
    other = next(each for each in HOOKS if each != kind)
    assert complaints(example_event(kind), schema_of(other))


@pytest.mark.parametrize("kind", HOOKS)
def test_data_that_lacks_a_field_does_not_fit(kind):
    event = example_event(kind)
    event["data"] = dict(list(event["data"].items())[1:])
    assert complaints(event, schema_of(kind))


def test_a_webhook_names_the_operations_that_cause_it():
    operations = {
        item[method]["operationId"]: item[method].get("x-emits", ())
        for item in spec.load()["paths"].values()
        for method in item
        if method in ("get", "post", "put", "patch", "delete")
    }
    for kind, hook in HOOKS.items():
        causes = [name for name, emits in operations.items() if kind in emits]
        assert hook["post"]["x-caused-by"] == (causes or ["worker"])


def test_null_becomes_a_type_and_an_example_a_list():
    assert _modern({"type": "string", "nullable": True, "example": "a"}) == {
        "type": ["string", "null"],
        "examples": ["a"],
    }
    assert "nullable" not in event_document.as_json().decode()
