"""How the files of the spec become one document, and what its lists mean."""

import json
import time

import jsonschema_rs
import pytest
import yaml

from handlers import answers, checked_document, spec
from handlers.bundle import BrokenSpec, Bundle
from handlers.schema import Compiler
from penstock import catalogue
from penstock._roots import root

MINIMAL = {
    "openapi.yaml": "openapi: 3.0.3\ninfo: {title: T, version: '1'}\npaths:\n  /a: {$ref: 'paths/a.yaml#/a'}\n",
    "paths/a.yaml": "a:\n  get:\n    responses: {}\n    x-schema: {$ref: '../components/schemas/one.yaml#/Thing'}\n",
    "components/schemas/one.yaml": "Thing:\n  type: object\n  properties: {next: {$ref: '#/Thing'}}\n",
}


def folder(tmp_path, **changed):
    files = MINIMAL | {name.replace("__", "/") + ".yaml": text for name, text in changed.items()}
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def references(node):
    if isinstance(node, dict):
        return {node["$ref"]} if isinstance(node.get("$ref"), str) else set().union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) and node else set()


def test_a_path_stands_in_its_place_and_a_schema_among_the_components(tmp_path):
    document = Bundle(folder(tmp_path)).document
    assert document["paths"]["/a"]["get"]["x-schema"] == {"$ref": "#/components/schemas/Thing"}
    assert document["components"]["schemas"]["Thing"]["properties"]["next"] == {"$ref": "#/components/schemas/Thing"}


def test_two_components_of_one_name_are_refused(tmp_path):
    with pytest.raises(BrokenSpec, match="Thing"):
        Bundle(folder(tmp_path, components__schemas__two="Thing: {type: string}\n"))


@pytest.mark.parametrize("ref", ["../components/schemas/one.yaml#/Nothing", "../components/schemas/gone.yaml#/Thing"])
def test_a_reference_to_nothing_is_refused(tmp_path, ref):
    with pytest.raises(BrokenSpec):
        Bundle(folder(tmp_path, paths__a=f"a:\n  get: {{x-schema: {{$ref: '{ref}'}}}}\n"))


def test_a_component_of_unknown_kind_is_refused(tmp_path):
    with pytest.raises(BrokenSpec, match="oddities"):
        Bundle(folder(tmp_path, components__oddities="Thing: {}\n"))


def test_no_reference_leaves_the_document():
    assert all(ref.startswith("#/components/") for ref in references(spec.load()))


def test_both_published_forms_say_the_same():
    assert json.loads(spec.as_json()) == yaml.load(spec.as_yaml(), yaml.CSafeLoader) == spec.load()


def test_connexion_agrees_that_the_document_is_good():
    document = json.loads(spec.as_json())
    assert checked_document.OpenAPISpecification.from_dict(document).version == (3, 0, 3)


def test_a_document_that_is_none_stops_the_start_at_the_place():
    document = {"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": {"/a": {"get": {"responses": 3}}}}
    with pytest.raises(checked_document.InvalidSpecification, match=r"^/paths/~1a/get/responses: 3 is not of type"):
        checked_document.CheckedDocument(document)


def test_the_document_is_the_same_every_time():
    first = spec.as_json()
    for cached in (spec.load, spec.as_json, catalogue.errors, catalogue.events):
        cached.cache_clear()
    assert spec.as_json() == first


def test_the_document_is_read_in_well_under_a_second():
    spec.load.cache_clear()
    begin = time.process_time()
    spec.load()
    assert time.process_time() - begin < 1.0


def operation(**fields):
    return {"operationId": "things.get_thing", "security": [{"apiKey": []}], "responses": {}, **fields}


def implied(**fields):
    return set(answers.codes(operation(**fields), {"components": {"parameters": {}}})) - set(answers.ALWAYS)


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({"security": []}, set()),
        ({}, {"unauthorized"}),
        ({"x-scope": "carts:read"}, {"unauthorized", "insufficient_scopes"}),
        (
            {"security": [{"dashboard": []}], "x-permission": "application:read"},
            {"unauthorized", "permission_denied", *answers.WITH_DASHBOARD},
        ),
        ({"security": [], "requestBody": {"content": {"application/json": {}}}}, set(answers.WITH_BODY)),
        ({"security": [], "requestBody": {"content": {"*/*": {}}}}, set(answers.WITH_ANY_BODY)),
        ({"security": [], "x-idempotent": "optional"}, set(answers.WITH_KEY)),
        ({"security": [], "x-idempotent": "off"}, set()),
        ({"security": [], "parameters": [{"name": "cursor"}]}, {"invalid_cursor"}),
        ({"security": [], "parameters": [{"name": "id", "x-not-found": "not_found"}]}, {"not_found"}),
        ({"security": [], "x-not-found": "cart_not_found"}, {"cart_not_found"}),
    ],
)
def test_errors_follow_from_the_shape_of_an_operation(fields, codes):
    assert implied(**fields) == codes


def test_an_error_that_nobody_declared_stops_the_start():
    document = {"paths": {"/a": {"get": operation(**{"x-errors": ["no_such_error"]})}}, "components": {}}
    document["components"] = {"schemas": {}, "examples": {}, "parameters": {}}
    with pytest.raises(ValueError, match="no_such_error"):
        answers.expand(document, catalogue.errors())


def response(path, method, status):
    node = spec.load()["paths"][path][method]["responses"][status]
    return spec.load()["components"]["responses"][node["$ref"].rpartition("/")[2]]


def test_an_answer_that_can_be_waited_for_says_how_long():
    assert "Retry-After" in response("/carts", "post", "503")["headers"]
    assert "Retry-After" in response("/checkout-sessions/{id}/complete", "post", "409")["headers"]
    assert "Retry-After" not in response("/carts", "post", "500")["headers"]


def test_an_answer_that_can_be_a_replay_says_so():
    assert "Idempotency-Replay" in response("/carts", "post", "422")["headers"]
    assert "Idempotency-Replay" in spec.load()["paths"]["/carts"]["post"]["responses"]["201"]["headers"]
    assert "Idempotency-Replay" not in response("/carts", "post", "401")["headers"]
    assert "Idempotency-Replay" not in response("/carts/{id}", "get", "404")["headers"]


@pytest.mark.parametrize(
    ("code", "name"), [("cart_not_open", "CartNotOpenError"), ("validation_error", "ValidationError")]
)
def test_an_error_has_a_schema_of_its_own(code, name):
    assert answers.schema_name(code) == name
    assert name in spec.load()["components"]["schemas"]


def test_business_refusals_are_replayed_and_nothing_else():
    replayed = {entry.status for entry in catalogue.errors().values() if entry.is_replayed}
    assert replayed == {402, 404, 409, 410, 422}
    assert not catalogue.errors()["idempotency_conflict"].is_replayed
    assert not catalogue.errors()["payment_in_progress"].is_replayed


@pytest.mark.parametrize(
    ("held", "needed", "covered"),
    [
        (["carts:read"], "carts:read", True),
        (["carts:write"], "carts:read", True),
        (["carts:read"], "carts:write", False),
        (["orders:write"], "carts:read", False),
        (["*"], "payments:write", True),
        (["*"], "admin:keys", False),
        ([], "carts:read", False),
        (["payment_refunds:write"], "payments:read", False),
    ],
)
def test_a_write_includes_its_read_and_nothing_else(held, needed, covered):
    assert catalogue.scopes().covers(held, needed) is covered


@pytest.mark.parametrize(
    ("scope", "for_publishable", "reason"),
    [
        ("carts:write", False, None),
        ("*", False, None),
        ("*", True, "not_publishable"),
        ("carts:write", True, "not_publishable"),
        ("shipping_quotes:write", True, None),
        ("tax_calculations:write", True, None),
        ("admin:keys", False, "staff_only"),
        ("admin:*", True, "staff_only"),
        ("carts:fly", False, "unknown"),
        ("carts:*", False, "unknown"),
        ("publishable", False, "unknown"),
    ],
)
def test_which_scope_a_key_can_be_given(scope, for_publishable, reason):
    assert catalogue.scopes().refusal(scope, for_publishable=for_publishable) == reason


ROLES = ["owner", "workspace_admin", "admin", "developer", "finance", "viewer"]
# One line for each permission, one mark for each role above: Y always, A own applications, N outside production,
# O everybody but an owner, - never.
TABLE = {
    "workspace:invite": "YYA---",
    "workspace:invite-admin": "YY----",
    "workspace:edit-member": "YY----",
    "workspace:remove-member": "YO----",
    "workspace:environments": "YY----",
    "workspace:audit": "YY----",
    "workspace:transfer-ownership": "Y-----",
    "application:edit-app-member": "YYY---",
    "application:settings": "YYY---",
    "application:api-keys": "YYYN--",
    "application:webhooks": "YYYN--",
    "application:quote-tokens": "YYYN--",
    "application:refunds": "YYY-Y-",
    "application:invoices": "YYY-Y-",
    "application:orders:write": "YYYN--",
    "application:discounts": "YYYN--",
    "application:subscriptions": "YYYNY-",
    "application:read": "YYYYYY",
}
MARKS = {"Y": "always", "A": "own_applications", "N": "non_production", "O": "not_owner", "-": None}


def test_roles_stand_in_the_order_of_their_rank():
    assert list(catalogue.roles()) == ROLES
    ranks = [role.rank for role in catalogue.roles().values()]
    assert ranks == sorted(ranks, reverse=True)


@pytest.mark.parametrize("permission", TABLE)
def test_a_role_grants_what_the_table_says(permission):
    granted = [catalogue.roles()[role].grants.get(permission) for role in ROLES]
    assert granted == [MARKS[mark] for mark in TABLE[permission]]


def test_the_table_has_every_permission():
    assert set(catalogue.permissions()) == set(TABLE)


def test_a_developer_makes_keys_outside_production_only():
    developer = catalogue.roles()["developer"]
    assert "application:api-keys" in developer.permissions(is_production=False)
    assert "application:api-keys" not in developer.permissions(is_production=True)
    assert "application:read" in developer.permissions(is_production=True)


IMAGE = ("AddItem", "imageUrl")
TEMPLATE = ("EmbedConfigInput", "cartRecoveryUrlTemplate")
TEXTS = {
    ("Email",): (
        ["a@b.co", "a.b+c@sub.example.com", "A@B.CO"],
        ["a@b", ".a@b.co", "a..b@c.de", "a@-b.de", "a b@c.de", "a@b.co,c@d.ef", "a@b.co>\r\nBcc: x@y.zz", "a@b.co\x00"],
    ),
    ("HttpsUrl",): (
        ["https://a.b", "https://a.b/", "https://a.b/x?y=%20z", "http://localhost:3000/x", "http://127.0.0.1/"],
        [
            "http://a.b",
            "https://u:p@a.b",
            "https://a.b/#f",
            "javascript:alert(1)",
            "https://a.b/%zz",
            "https://",
            "a.b",
        ],
    ),
    ("Origin",): (
        ["https://a.b", "https://a.b:8443", "http://localhost:3000"],
        ["https://a.b/", "https://*.a.b", "https://A.b", "http://a.b", "https://a..b", "null", "*", "https://a.b:0"],
    ),
    IMAGE: (
        ["https://a.b/x.png", "http://a.b/x.png", "/x.png", "/images/x.png?v=2", "images/x.png"],
        ["//evil.example/x", "javascript:x", "data:image/png;base64,xx", "/\\evil", "/a b", "ftp://a.b/x"],
    ),
    TEMPLATE: (
        ["https://s.example/cart?c={cartId}", "https://s.example/{cartId}"],
        [
            "https://{cartId}.example/",
            "https://s.example/{cartId[0]}",
            "http://s.example/{cartId}",
            "https://s.example/{cartId}#f",
        ],
    ),
    ("SessionId",): (["cs_" + "a" * 32], ["cs_" + "a" * 31, "cs_" + "a" * 33, "CS_" + "a" * 32, "cs_" + "-" * 32]),
    ("Currency",): (["USD", "JPY", "KWD"], ["usd", "XXX", "XAU", "US", "DEM"]),
    ("Country",): (["US", "XK"], ["us", "UK", "ZZ", "USA"]),
    ("CreateEmbedToken", "amount"): ([0, 99_999_999_999], [-1, 100_000_000_000, 1.0, "1", True]),
    ("AddItem", "name"): (["x", " x", "٤ mugs"], ["", " ", "\u3000", "a\nb", "a\x00", "x" * 256]),
}
SAMPLES = [
    (where, value, taken)
    for where, (good, bad) in TEXTS.items()
    for taken, values in ((True, good), (False, [*bad, *(f"{text}\n" for text in good if isinstance(text, str))]))
    for value in values
]


@pytest.mark.parametrize(("where", "value", "taken"), SAMPLES)
def test_what_a_value_may_look_like_as_the_server_reads_the_schema(where, value, taken):
    """With the engine that the server uses, whose patterns end where the text ends."""
    node = spec.load()["components"]["schemas"][where[0]]
    for name in where[1:]:
        node = node["properties"][name]
    validator = jsonschema_rs.Draft4Validator({"allOf": [node], "components": spec.load()["components"]})
    assert validator.is_valid(value) is taken


def test_every_file_of_the_spec_belongs_to_it():
    known = {"openapi", "errors", "events", "event_examples", "scopes", "roles"}
    assert {file.stem for file in (root() / "spec").glob("*.yaml")} == known


def test_every_event_has_an_example_that_fits_its_schema():
    compiler = Compiler(spec.load()["components"])
    for kind, event in catalogue.events().items():
        check = compiler.compile({"$ref": f"#/components/schemas/{event.data}"}, "response")
        assert list(check.errors(catalogue.event_example(kind))) == [], kind
