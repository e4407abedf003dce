"""What is said of settings that do not fit: what the schema asks for, and never what was sent."""

import jsonschema_rs
import pytest

from plugins.setting_faults import settings_fault

SENT = "sk_hush_hush"


def told(rule, value=SENT, **more):
    schema = {"type": "object", "description": "The account.", "properties": {"a": rule}, **more}
    (error,) = jsonschema_rs.validator_for(schema).iter_errors({"a": value})
    return settings_fault(error, schema)


@pytest.mark.parametrize(
    ("rule", "value", "message"),
    [
        ({"type": "integer"}, SENT, "must be an integer"),
        ({"type": ["integer", "null"]}, SENT, "must be an integer or null"),
        ({"enum": ["eu", 5, None, True]}, SENT, "must be one of: eu, 5, null, true"),
        ({"pattern": "^x$"}, SENT, "must fit the pattern `^x$`"),
        ({"minLength": 1}, "", "must have at least 1 character"),
        ({"maxLength": 3}, SENT, "must have at most 3 characters"),
        ({"items": {"type": "string"}, "minItems": 2}, [SENT], "must have at least 2 items"),
        ({"maxItems": 1}, [SENT, SENT], "must have at most 1 item"),
        ({"minimum": 3}, 2, "must be 3 or more"),
        ({"maximum": 3}, 4, "must be 3 or less"),
        ({"exclusiveMinimum": 3}, 3, "must be more than 3"),
        ({"exclusiveMaximum": 3}, 3, "must be less than 3"),
        ({"uniqueItems": True}, [SENT, SENT], "does not fit the schema (uniqueItems)"),
        ({"const": "x"}, SENT, "does not fit the schema (const)"),
        ({"anyOf": [{"type": "integer"}]}, SENT, "does not fit the schema (anyOf)"),
        ({"not": {"type": "string"}}, SENT, "does not fit the schema (not)"),
    ],
)
def test_each_rule_is_told_in_words_and_the_value_is_not(rule, value, message):
    fault = told(rule, value)
    assert fault.message == message
    assert fault.pointer == "/a"
    assert SENT not in str(fault)


def test_the_nearest_description_and_the_examples_stand_behind_the_rule():
    rule = {
        "description": "Codes.",
        "examples": ["x1", "x2", 3, "x4"],
        "items": {"pattern": "^x"},
    }
    assert told(rule, [SENT]).message == "must fit the pattern `^x`. Codes. For example: x1, x2, 3"
    rule["items"]["description"] = "One code."
    assert told(rule, [SENT]).message == "must fit the pattern `^x`. One code. For example: x1, x2, 3"


def test_settings_called_as_the_words_of_a_schema_are_no_descriptions():
    names = {"description": {"type": "string"}, "examples": {"type": "string"}, "b": {"pattern": "^x"}}
    assert told({"properties": names}, {"b": SENT}).message == "must fit the pattern `^x`"


def test_a_description_behind_a_reference_is_told():
    shared = {"pattern": "^x", "description": "Shared."}
    assert told({"$ref": "#/$defs/d"}, **{"$defs": {"d": shared}}).message == "must fit the pattern `^x`. Shared"


def test_a_reference_that_leads_elsewhere_is_told_without_a_description():
    resource = {"$id": "https://elsewhere.example/d", "pattern": "^x", "description": "Shared."}
    assert told({"$ref": "https://elsewhere.example/d"}, **{"$defs": {"d": resource}}).message.startswith(
        "must fit the pattern `^x`"
    )


def test_long_words_of_a_plugin_are_cut():
    rule = {"pattern": "^" + "x" * 5000, "description": "d" * 5000, "examples": ["e" * 5000]}
    assert len(told(rule).message) < 1000
