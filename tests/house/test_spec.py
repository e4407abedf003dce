"""Is the contract in order? Each rule here was broken somewhere before it was written down."""

import ast
import re

import jsonschema
import pycountry
import pytest
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import validate

from handlers import answers, spec
from penstock import catalogue, ids, money
from penstock._roots import root
from penstock.errors import all_errors
from penstock.session import MAX_PAYMENTS

DOCUMENT = spec.load()
COMPONENTS = DOCUMENT["components"]
OPERATIONS = {operation["operationId"]: operation for operation in answers.operations(DOCUMENT)}
PATHS = {
    item[method]["operationId"]: (path, method)
    for path, item in DOCUMENT["paths"].items()
    for method in answers.METHODS
    if method in item
}
WRITES = {name for name, (_, method) in PATHS.items() if method != "get"}
WITHOUT_CREDENTIAL = {
    "checkout_sessions.refresh_embed_token",
    "checkout_sessions.list_payment_methods",
    "checkout_sessions.calculate_session",
    "checkout_sessions.complete_session",
    "shipping_tax.quote",
    "inbound.receive_message",
}
KNOWN_POLICY = {
    "x-scope",
    "x-permission",
    "x-caller",
    "x-errors",
    "x-emits",
    "x-idempotent",
    "x-body-limit",
    "x-not-found",
    "x-extension",
}

each_operation = pytest.mark.parametrize("name", OPERATIONS)


def resolved(node):
    while "$ref" in node:
        at = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            at = at[part.replace("~1", "/").replace("~0", "~")]
        node = at
    return node


def parameters(name):
    return [resolved(parameter) for parameter in OPERATIONS[name].get("parameters", ())]


def successes(name):
    return {code: response for code, response in OPERATIONS[name]["responses"].items() if code.startswith("2")}


def schemas():
    """Give every schema of the document with where it stands; references are not followed twice."""
    queue = [(f"schemas/{name}", node) for name, node in COMPONENTS["schemas"].items()]
    queue += [(f"headers/{name}", node["schema"]) for name, node in COMPONENTS["headers"].items()]
    queue += [(f"parameters/{name}", node["schema"]) for name, node in COMPONENTS["parameters"].items()]
    for name in OPERATIONS:
        queue += [(f"{name}?{parameter['name']}", parameter["schema"]) for parameter in parameters(name)]
    while queue:
        where, node = queue.pop()
        if "$ref" in node:
            continue
        yield where, node
        queue += [(f"{where}.{key}", child) for key, child in node.get("properties", {}).items()]
        queue += [(f"{where}[]", node["items"])] if "items" in node else []
        queue += [(where, part) for key in ("allOf", "anyOf", "oneOf") for part in node.get(key, ())]


def complaints(value, schema):
    whole = schema | {"components": COMPONENTS}
    return [
        error.message for error in OAS30Validator(whole, format_checker=jsonschema.FormatChecker()).iter_errors(value)
    ]


def test_the_document_is_openapi():
    validate(DOCUMENT)


def test_an_operation_is_a_function_of_the_module_named_after_its_paths_file():
    """Fails while a handler is still missing: the operationId is how the door finds it."""
    written = {
        f"{file.stem}.{node.name}"
        for file in (root() / "handlers").glob("*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    assert not set(OPERATIONS) - written


def test_an_operation_stands_in_the_paths_file_of_its_module():
    for file in (root() / "spec" / "paths").glob("*.yaml"):
        named = set(re.findall(r"operationId: (\w+)\.\w+\n    tags", file.read_text()))
        assert named == {file.stem}


@each_operation
def test_an_operation_says_what_it_does(name):
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"].endswith(".")
    assert operation["tags"] == [name.split(".")[0]]
    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}


@each_operation
def test_policy_has_known_names_only(name):
    assert {key for key in OPERATIONS[name] if key.startswith("x-")} <= KNOWN_POLICY


@each_operation
def test_who_may_call_is_always_said(name):
    operation = OPERATIONS[name]
    ways = {scheme for way in operation["security"] for scheme in way}
    assert bool(ways) == (name not in WITHOUT_CREDENTIAL)
    assert ("x-scope" in operation) == ("apiKey" in ways)
    assert ("x-permission" in operation) == ("dashboard" in ways)
    assert (operation.get("x-caller") in ("session", "provider", "quote")) == (not ways)


@each_operation
def test_scopes_and_permissions_are_declared(name):
    operation = OPERATIONS[name]
    assert operation.get("x-scope", "carts:read") in catalogue.scopes().titles
    assert operation.get("x-permission", "application:read") in catalogue.permissions()


@each_operation
def test_a_write_says_whether_it_may_be_repeated(name):
    operation = OPERATIONS[name]
    takes_key = any(parameter["name"] == "Idempotency-Key" for parameter in parameters(name))
    if name in WRITES:
        assert operation["x-idempotent"] in ("optional", "required", "off")
        assert takes_key == (operation["x-idempotent"] != "off")
    else:
        assert "x-idempotent" not in operation
        assert "x-emits" not in operation
        assert not takes_key


@each_operation
def test_a_body_has_a_limit_and_an_example(name):
    body = OPERATIONS[name].get("requestBody")
    assert ("x-body-limit" in OPERATIONS[name]) == (body is not None)
    if body is not None:
        (media,) = body["content"].values()
        assert media["examples"]


@each_operation
def test_every_path_parameter_is_declared_and_answers_not_found(name):
    path, _ = PATHS[name]
    in_path = {parameter["name"] for parameter in parameters(name) if parameter["in"] == "path"}
    assert in_path == set(re.findall(r"{(\w+)}", path))
    assert bool(in_path) == ("x-not-found" in OPERATIONS[name])


def test_the_spec_and_the_code_know_the_same_errors():
    assert set(catalogue.errors()) == set(all_errors())


@each_operation
def test_errors_that_an_operation_names_are_declared_and_not_implied_already(name):
    operation = OPERATIONS[name]
    named = operation.get("x-errors", [])
    assert set(named) <= set(catalogue.errors())
    bare = {key: value for key, value in operation.items() if key != "x-errors"}
    assert not set(named) & set(answers.codes(bare, DOCUMENT))


@each_operation
def test_each_error_answer_names_its_codes_and_has_the_one_envelope(name):
    found = set()
    for status, node in OPERATIONS[name]["responses"].items():
        response = resolved(node)
        assert "X-Request-Id" in response["headers"]
        if status.startswith("2"):
            continue
        media = response["content"]["application/json"]
        for code, example in media["examples"].items():
            assert catalogue.errors()[code].status == int(status)
            assert not complaints(resolved(example)["value"], media["schema"])
            assert not complaints(resolved(example)["value"], COMPONENTS["schemas"]["Error"])
            found.add(code)
    assert found == set(answers.codes(OPERATIONS[name], DOCUMENT))


def test_events_are_declared_and_every_declared_one_happens():
    emitted = {event for operation in OPERATIONS.values() for event in operation.get("x-emits", ())}
    declared = catalogue.events()
    assert emitted == {event.type for event in declared.values() if event.by == "request"}
    assert all(event.data in COMPONENTS["schemas"] for event in declared.values())


def test_a_cart_lists_every_event_that_a_cart_can_have():
    of_carts = [event.type for event in catalogue.events().values() if event.object == "cart"]
    assert COMPONENTS["schemas"]["CartEvent"]["properties"]["eventType"]["enum"] == of_carts


def test_every_number_text_and_list_has_bounds():
    unbounded = []
    for where, schema in schemas():
        needed = {
            "integer": {"minimum", "maximum"},
            "number": {"minimum", "maximum"},
            "string": {"maxLength"},
            "array": {"maxItems", "items"},
        }.get(schema.get("type"), set())
        unbounded += [where] if not needed <= set(schema) else []
    assert not unbounded


def test_every_object_is_closed_or_says_how_far_it_is_open():
    loose = []
    for where, schema in schemas():
        if schema.get("type") != "object":
            continue
        is_closed = schema.get("additionalProperties") is False
        is_open_on_purpose = schema.get("additionalProperties") is True and "maxProperties" in schema
        loose += [where] if not is_closed and not is_open_on_purpose else []
    assert not loose


def test_required_fields_exist_and_answers_leave_none_out():
    for where, schema in schemas():
        assert set(schema.get("required", ())) <= set(schema.get("properties", ())), where


def test_null_is_allowed_only_where_it_has_an_effect():
    """`nullable` beside `$ref` or `allOf`, or without a type, allows nothing in OpenAPI 3.0."""
    for where, schema in schemas():
        if "nullable" in schema:
            assert "type" in schema, where
            assert not {"allOf", "anyOf", "oneOf"} & set(schema), where
            assert None in schema.get("enum", [None]), where


def test_patterns_are_whole_and_compile():
    for where, schema in schemas():
        if "pattern" in schema:
            assert schema["pattern"].startswith("^"), where
            assert schema["pattern"].endswith("$"), where
            re.compile(schema["pattern"])


def test_a_field_is_explained():
    fields = {
        where: schema for where, schema in schemas() if "." in where and "?" not in where and "Error." not in where
    }
    assert not [where for where, schema in fields.items() if "description" not in schema and not where.endswith("[]")]


@each_operation
def test_a_parameter_is_explained(name):
    assert all(parameter["description"].endswith(".") for parameter in parameters(name))


@each_operation
def test_examples_fit_their_schemas(name):
    operation = OPERATIONS[name]
    contents = [response["content"] for response in successes(name).values() if "content" in response]
    contents += [operation["requestBody"]["content"]] if "requestBody" in operation else []
    for content in contents:
        (media,) = content.values()
        assert media["examples"]
        for example in media["examples"].values():
            assert not complaints(resolved(example)["value"], media["schema"])


def test_examples_of_schemas_and_parameters_fit_too():
    for where, schema in schemas():
        for value in [schema[key] for key in ("example", "default") if key in schema]:
            assert not complaints(value, schema), where


@each_operation
def test_links_lead_to_operations_and_fill_their_parameters(name):
    for response in successes(name).values():
        for link in response.get("links", {}).values():
            target = link["operationId"]
            assert target in OPERATIONS
            in_path = {parameter["name"] for parameter in parameters(target) if parameter["in"] == "path"}
            assert set(link.get("parameters", ())) == in_path
            for expression in link.get("parameters", {}).values():
                assert _leads_somewhere(expression, name, response)


def _leads_somewhere(expression, name, response):
    if expression.startswith("$request.path."):
        return any(parameter["name"] == expression.rpartition(".")[2] for parameter in parameters(name))
    node = resolved(response["content"]["application/json"]["schema"])
    for part in expression.removeprefix("$response.body#/").split("/"):
        node = resolved(node["items"] if part.isdigit() else node["properties"][part])
    return node["type"] == "string"


def test_every_operation_can_be_reached_by_a_link_or_needs_nothing():
    linked = {
        link["operationId"]
        for name in OPERATIONS
        for response in successes(name).values()
        for link in response.get("links", {}).values()
    }
    needy = {name for name in OPERATIONS if any(parameter["in"] == "path" for parameter in parameters(name))}
    assert needy <= linked


def test_no_component_is_left_over():
    used = set(re.findall(r'"#/components/([a-zA-Z]+/[^"]+)"', spec.as_json().decode()))
    parts = ("schemas", "parameters", "examples", "responses", "headers")
    kept = {f"{part}/{name}" for part in parts for name in COMPONENTS[part]}
    spare = kept - used - {"schemas/Error"}
    # An error that belongs to no operation (an unknown address, a wrong method) still has its schema and example.
    shared = {"not_found", "method_not_allowed"}
    spare -= {f"examples/{code}" for code in shared} | {f"schemas/{answers.schema_name(code)}" for code in shared}
    assert not spare


def test_the_spec_knows_the_currencies_and_countries_that_the_rules_know():
    assert COMPONENTS["schemas"]["Currency"]["enum"] == sorted(money.currencies())
    known = {country.alpha_2 for country in pycountry.countries} | {"XK"}
    assert COMPONENTS["schemas"]["Country"]["enum"] == sorted(known)


def test_the_spec_and_the_rules_have_the_same_bounds():
    assert COMPONENTS["schemas"]["Amount"]["maximum"] == money.MAX_AMOUNT
    assert COMPONENTS["schemas"]["Quantity"]["maximum"] == money.MAX_QUANTITY
    assert catalogue.errors()["too_many_attempts"].example == {"limit": MAX_PAYMENTS}


def test_ids_that_we_make_fit_the_spec():
    for name, value in {
        "Uuid": ids.new_id(),
        "SessionId": ids.new_session_id(),
        "OrderNumber": ids.new_order_number(),
    }.items():
        assert not complaints(value, COMPONENTS["schemas"][name])


def test_the_changelog_names_the_version():
    assert f"## {DOCUMENT['info']['version']}\n" in (root() / "spec" / "CHANGES.md").read_text()
