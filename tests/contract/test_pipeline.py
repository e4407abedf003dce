"""The door: who gets in, what goes out, and what happens when something breaks behind it."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import httpx
import pytest

from handlers.app import create_app
from handlers.schema import BadSpec
from tests.contract.door import stub
from tests.contract.door.serving import serving

BASE = "/api/v1/probes"
NOTE = "0190b3c4-5d6e-7f80-91a2-b3c4d5e6f708"
KEY = {"X-API-Key": stub.SECRET}
MEMBER = {"Authorization": f"Bearer {stub.TOKEN}", "X-Application-Id": "a", "X-Throttle-Environment-Id": "e"}


def page(asked):
    body = f"<p>{asked.params.get('name')} {asked.argument('x')} {asked.form('y')} {asked.method}".encode()
    return SimpleNamespace(status=200, body=body, headers={"content-type": "text/html; charset=utf-8"})


def started(house, **kw):
    pages = [("GET", "/hello/{name}", page), ("POST", "/hello/{name}", page)]
    return create_app(house, stub.document(), "tests.contract.door", pages, **kw)


@pytest.fixture(scope="module")
def house():
    return stub.House()


@pytest.fixture(scope="module")
def client(house):
    with serving(started(house)) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield client


@pytest.fixture(autouse=True)
def empty(house):
    house.state = {"notes": [], "keys": {}}
    house.reason = None


def ask(client, method, path, body=None, headers=None, **kw):
    if body is not None:
        kw["json"] = body
    return client.request(method, BASE + path, headers={**KEY, **(headers or {})}, **kw)


def code(answer):
    error = answer.json()["error"]
    assert error["requestId"] == answer.headers["x-request-id"]
    assert error["docs"] == f"https://pay.example/docs/errors#{error['code']}"
    return error["code"]


# Addresses and methods


def test_an_unknown_address_is_404_in_the_envelope(client):
    for path in ("/", "/api", "/api/v1", f"{BASE}/nothing", f"{BASE}/notes/{NOTE}/more"):
        answer = client.get(path)
        assert (answer.status_code, code(answer)) == (404, "not_found")


def test_a_trailing_or_a_doubled_slash_is_404(client):
    for path in (f"{BASE}/notes/", f"{BASE}//notes", f"{BASE}/notes/{NOTE}/"):
        answer = client.get(path, headers=KEY, follow_redirects=False)
        assert (answer.status_code, code(answer)) == (404, "not_found")


def test_a_wrong_method_is_405_and_allow_names_all_that_are_right(client):
    answer = ask(client, "DELETE", "/notes")
    assert (answer.status_code, code(answer)) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"


def test_options_answers_204_with_allow(client):
    answer = client.options(f"{BASE}/notes/{NOTE}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == "DELETE, OPTIONS, PUT"
    assert answer.headers["x-request-id"]


def test_head_answers_as_get_without_the_body(client):
    get, head = ask(client, "GET", "/notes"), ask(client, "HEAD", "/notes")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))
    assert client.head(f"{BASE}/notes").status_code == 401


# Request ids


def test_every_answer_has_a_request_id_of_its_own(client):
    answers = [client.get("/health/live"), client.get("/nowhere"), ask(client, "GET", "/notes")]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 3
    assert all(one.startswith("req_") and len(one) == 28 for one in ids)


def test_a_safe_request_id_is_kept_and_an_unsafe_one_replaced(client):
    assert (
        client.get("/health/live", headers={"X-Request-Id": "order-4711-abc"}).headers["x-request-id"]
        == "order-4711-abc"
    )
    for bad in (
        "short",
        "a" * 65,
        "has space in it",
        'quote"quote"quote',
        "../../etc/passwd",
        "order-4111111111111111",
    ):
        assert client.get("/health/live", headers={"X-Request-Id": bad}).headers["x-request-id"].startswith("req_")


# Who may


def test_no_credential_and_a_bad_one_are_401(client):
    for headers in ({}, {"X-API-Key": "sk_test_wrong"}, {"X-API-Key": ""}, {"X-API-Key": "x" * 300}):
        answer = client.get(f"{BASE}/notes", headers=headers)
        assert (answer.status_code, code(answer)) == (401, "unauthorized")
        assert answer.headers["www-authenticate"]


def test_a_key_without_the_scope_is_403_and_told_which(client):
    answer = client.get(f"{BASE}/notes", headers={"X-API-Key": stub.WEAK})
    assert (answer.status_code, code(answer)) == (403, "insufficient_scopes")
    assert answer.json()["error"]["details"]["required"] == ["carts:read"]


def test_write_includes_read_of_the_same_resource(client):
    assert client.get(f"{BASE}/either", headers={"X-API-Key": stub.WEAK}).json() == {"kind": "secret"}


def test_a_publishable_key_gets_only_what_the_list_names(client):
    pk = {"X-API-Key": stub.PUBLISHABLE}
    assert client.get(f"{BASE}/publishable", headers=pk).status_code == 200
    assert code(client.get(f"{BASE}/notes", headers=pk)) == "insufficient_scopes"


def test_a_member_needs_the_permission(client):
    assert client.get(f"{BASE}/members", headers=MEMBER).json() == {"kind": "dashboard"}
    answer = client.get(f"{BASE}/members", headers=MEMBER | {"X-Application-Id": "weak"})
    assert (answer.status_code, code(answer)) == (403, "permission_denied")
    assert answer.json()["error"]["details"] == {"required": ["application:api-keys"]}


def test_a_good_key_where_only_people_may_is_forbidden_and_a_bad_one_unauthorized(client):
    assert code(client.get(f"{BASE}/members", headers=KEY)) == "forbidden"
    assert code(client.get(f"{BASE}/members", headers={"X-API-Key": "sk_test_wrong"})) == "unauthorized"


def test_either_credential_will_do_and_a_bad_one_is_not_passed_over(client):
    assert client.get(f"{BASE}/either", headers=KEY).json() == {"kind": "secret"}
    assert client.get(f"{BASE}/either", headers=MEMBER).json() == {"kind": "dashboard"}
    assert code(client.get(f"{BASE}/either", headers={"Authorization": "Basic abc"})) == "unauthorized"
    assert code(client.get(f"{BASE}/either", headers=MEMBER | {"Authorization": "Bearer nope"})) == "unauthorized"


def test_a_session_id_is_the_permission_and_a_wrong_one_is_not_found(client):
    assert client.get(f"{BASE}/sessions/{stub.SESSION}").json()["kind"] == "session"
    for wrong in ("cs_" + "b" * 32, "cs_short", "%ff", "x"):
        answer = client.get(f"{BASE}/sessions/{wrong}")
        assert (answer.status_code, code(answer)) == (404, "session_not_found")


def _hole(**changes):
    operation = {"operationId": "probes.either", "responses": {"200": {"description": "x"}}, **changes}
    return {"/hole": {"get": operation}}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "x-caller"),
        ({"security": []}, "x-caller"),
        ({"security": [{"apiKey": []}]}, "x-scope"),
        ({"security": [{"apiKey": []}], "x-scope": "no:such"}, "x-scope"),
        ({"security": [{"dashboard": []}]}, "x-permission"),
        ({"security": [{"apiKey": []}, {}], "x-scope": "carts:read"}, "security scheme"),
        ({"security": [], "x-caller": "public"}, "lets anybody in"),
        ({"security": [{"apiKey": []}], "x-scope": "carts:read", "operationId": "probes.list_notes"}, "does not have"),
    ],
)
def test_a_hole_in_the_policy_stops_the_start(changes, word):
    with pytest.raises(BadSpec, match=word):
        create_app(stub.House(), stub.document(**_hole(**changes)), "tests.contract.door")


# Parameters and bodies that are right


def test_values_arrive_as_what_the_spec_says(client):
    answer = ask(
        client, "GET", "/notes?limit=7&isOpen=true&kind=plain&kind=rich&day=2026-02-28", headers={"X-Flavor": "mint"}
    )
    assert answer.json() == {
        "limit": 7, "isOpen": True, "kind": ["plain", "rich"], "day": "2026-02-28", "flavor": "mint", "count": 0,
    }  # fmt: skip
    assert ask(client, "GET", "/notes").json() == {
        "limit": 20, "isOpen": None, "kind": None, "day": None, "flavor": None, "count": 0,
    }  # fmt: skip


def test_an_optional_body_may_be_left_out(client):
    assert ask(client, "PUT", f"/notes/{NOTE}").json()["text"] == "none"


def test_nothing_to_say_is_204(client):
    answer = ask(client, "DELETE", f"/notes/{NOTE}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers


def test_answers_are_kept_by_no_cache(client):
    answer = ask(client, "GET", "/notes")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    assert "server" not in answer.headers


# Faults


def test_several_faults_are_listed_with_pointer_received_and_suggestion(client):
    answer = ask(
        client, "POST", "/notes", {"text": "", "amuont": 5, "kind": "ritch", "amount": 1.0, "paymentToken": "t" * 41}
    )
    assert (answer.status_code, code(answer)) == (422, "validation_error")
    faults = {fault["pointer"]: fault for fault in answer.json()["error"]["details"]}
    assert faults["/amuont"]["suggestion"] == "amount"
    assert faults["/kind"]["suggestion"] == "rich"
    assert faults["/kind"]["received"] == "ritch"
    assert faults["/amount"]["message"] == "must be an integer"
    assert faults["/text"]["code"] == "min_length"
    assert "received" not in faults["/paymentToken"]


def test_at_most_twenty_faults_are_listed(client):
    answer = ask(client, "POST", "/notes", {"text": "x", **{f"f{n}": n for n in range(200)}})
    assert len(answer.json()["error"]["details"]) == 20


def test_a_read_only_field_is_an_unknown_field(client):
    assert ask(client, "POST", "/notes", {"text": "x", "id": "mine"}).json()["error"]["details"][0]["pointer"] == "/id"


# Idempotency


def write(client, key, text="hello", *, path="/notes", method="POST", **kw):
    return ask(client, method, path, {"text": text}, headers={"Idempotency-Key": key}, **kw)


@pytest.mark.parametrize(("method", "path"), [("POST", "/notes"), ("PUT", f"/notes/{NOTE}")])
def test_a_repeat_gets_the_same_bytes_and_nothing_happens_again(client, house, method, path):
    first = write(client, "k1", method=method, path=path)
    again = write(client, "k1", method=method, path=path)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers.get("x-note") == first.headers.get("x-note")
    assert "idempotency-replay" not in first.headers
    assert again.headers["idempotency-replay"] == "true"
    assert house.state["notes"] == ["hello"]


@pytest.mark.parametrize(("method", "path"), [("POST", "/notes"), ("PUT", f"/notes/{NOTE}")])
def test_the_same_key_with_another_request_is_a_conflict(client, method, path):
    write(client, "k1", "one", method=method, path=path)
    answer = write(client, "k1", "two", method=method, path=path)
    assert (answer.status_code, code(answer)) == (409, "idempotency_conflict")


def test_the_order_of_fields_and_white_space_make_no_other_request(client):
    headers = {"Idempotency-Key": "k1", "Content-Type": "application/json"}
    ask(client, "POST", "/notes", headers=headers, content=b'{"text":"a","amount":1}')
    again = ask(client, "POST", "/notes", headers=headers, content=b'{ "amount": 1, "text": "a" }')
    assert again.headers["idempotency-replay"] == "true"


@pytest.mark.parametrize(("method", "path"), [("POST", "/notes"), ("PUT", f"/notes/{NOTE}")])
@pytest.mark.parametrize(
    "error", ["payment_failed", "cart_not_found", "cart_not_open", "session_expired", "session_not_open"]
)
def test_a_business_refusal_is_replayed(client, house, method, path, error):
    first = write(client, "k1", f"!{error}", method=method, path=path)
    again = write(client, "k1", f"!{error}", method=method, path=path)
    assert code(first) == error
    assert again.content == first.content
    assert again.headers["idempotency-replay"] == "true"
    assert house.state["notes"] == ([] if method == "POST" else [f"!{error}"])


@pytest.mark.parametrize(("method", "path"), [("POST", "/notes"), ("PUT", f"/notes/{NOTE}")])
@pytest.mark.parametrize("error", ["boom", "too_many_attempts", "service_unavailable", "payment_in_progress"])
def test_what_passes_by_itself_is_not_replayed_and_frees_the_key(client, house, method, path, error):
    for _ in range(2):
        answer = write(client, "k1", f"!{error}", method=method, path=path)
        assert answer.status_code in {409, 429, 500, 503}
        assert "idempotency-replay" not in answer.headers
    assert house.state["keys"] == {}


@pytest.mark.parametrize(("method", "path"), [("POST", "/notes"), ("PUT", f"/notes/{NOTE}")])
def test_a_refusal_that_is_returned_keeps_what_was_written_and_is_replayed(client, house, method, path):
    first = write(client, "k1", "?cart_not_open", method=method, path=path)
    again = write(client, "k1", "?cart_not_open", method=method, path=path)
    assert (first.status_code, code(first)) == (409, "cart_not_open")
    assert again.content == first.content
    assert again.headers["idempotency-replay"] == "true"
    assert house.state["notes"] == ["?cart_not_open"]


@pytest.mark.parametrize(("method", "path"), [("POST", "/notes"), ("PUT", f"/notes/{NOTE}")])
def test_a_returned_refusal_that_passes_by_itself_frees_the_key(client, house, method, path):
    for _ in range(2):
        answer = write(client, "k1", "?payment_in_progress", method=method, path=path)
        assert (answer.status_code, code(answer)) == (409, "payment_in_progress")
        assert "idempotency-replay" not in answer.headers
    assert (house.state["keys"], len(house.state["notes"])) == ({}, 2)


def test_a_request_refused_at_the_door_consumes_no_key(client, house):
    write(client, "k1", "")
    client.post(f"{BASE}/notes", json={"text": "x"}, headers={"Idempotency-Key": "k1"})
    client.post(f"{BASE}/notes", json={"text": "x"}, headers={"Idempotency-Key": "k1", "X-API-Key": stub.WEAK})
    assert house.state["keys"] == {}
    assert write(client, "k1", "good").status_code == 201


def test_a_key_belongs_to_the_one_who_used_it_and_to_the_operation(client, house):
    write(client, "k1")
    assert "idempotency-replay" not in write(client, "k1", method="PUT", path=f"/notes/{NOTE}").headers
    assert {(principal, operation) for principal, operation, _ in house.state["keys"]} == {
        ("key-1", "probes.add_note"),
        ("key-1", "probes.work_note"),
    }


@pytest.mark.parametrize("key", ["", "a" * 256, "naïve", "tab\tin"])
def test_a_key_that_is_not_printable_ascii_is_400(client, key):
    headers = {**KEY, "Idempotency-Key": key.encode("latin-1")}
    answer = client.post(f"{BASE}/notes", json={"text": "x"}, headers=headers)
    assert (answer.status_code, code(answer)) == (400, "invalid_request")


@pytest.mark.parametrize(("method", "path"), [("POST", "/notes"), ("PUT", f"/notes/{NOTE}")])
def test_racers_under_one_key_act_once(client, house, method, path):
    barrier = threading.Barrier(8)

    def race(_):
        barrier.wait()
        return write(client, "k1", "slow", method=method, path=path)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(race, range(8)))
    assert house.state["notes"] == ["slow"]
    assert {answer.status_code for answer in answers} <= {200, 201, 409}
    for answer in answers:
        if answer.status_code == 409:
            assert code(answer) == "idempotency_in_progress"
            assert answer.headers["retry-after"] == "1"


# Pages of other origins


def test_a_session_operation_grants_the_origins_of_its_application_and_no_other(client):
    path = f"{BASE}/sessions/{stub.SESSION}"
    good = client.get(path, headers={"Origin": stub.ORIGIN})
    assert good.headers["access-control-allow-origin"] == stub.ORIGIN
    assert good.headers["vary"] == "Origin"
    for bad in ("https://evil.example", "null", "https://shop.example.evil.example", "*"):
        assert "access-control-allow-origin" not in client.get(path, headers={"Origin": bad}).headers
    assert "access-control-allow-origin" not in ask(client, "GET", "/notes", headers={"Origin": stub.ORIGIN}).headers


def test_a_refusal_can_be_read_by_the_page_that_caused_it(client):
    answer = client.get(f"{BASE}/sessions/{stub.SESSION}?x=1", headers={"Origin": stub.ORIGIN})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (400, stub.ORIGIN)


def test_a_preflight_is_answered_for_session_operations(client):
    wanted = {"Origin": stub.ORIGIN, "Access-Control-Request-Method": "GET"}
    answer = client.options(f"{BASE}/sessions/{stub.SESSION}", headers=wanted)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, stub.ORIGIN)
    assert "GET" in answer.headers["access-control-allow-methods"]
    assert "Idempotency-Key" in answer.headers["access-control-allow-headers"]
    refused = client.options(f"{BASE}/sessions/{stub.SESSION}", headers=wanted | {"Origin": "https://evil.example"})
    assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (204, False)


# When something breaks


def test_an_unexpected_failure_is_500_and_says_nothing(client):
    answer = client.get(f"{BASE}/trouble/boom")
    assert (answer.status_code, code(answer)) == (500, "internal_error")
    for word in ("secret", "SELECT", "Traceback", "/srv"):
        assert word not in answer.text


def test_a_database_that_is_away_is_503_with_retry_after(client):
    answer = client.get(f"{BASE}/trouble/away")
    assert (answer.status_code, code(answer)) == (503, "service_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "SELECT" not in answer.text


@pytest.mark.parametrize("kind", ["undeclared", "broken"])
def test_an_answer_that_breaks_the_spec_is_loud_in_tests(client, kind):
    answer = client.get(f"{BASE}/trouble/{kind}")
    assert answer.status_code == 500
    assert "the spec" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("kind", "status"), [("undeclared", 418), ("broken", 201)])
def test_an_answer_that_breaks_the_spec_goes_out_in_production_and_is_counted(kind, status):
    with serving(started(stub.House(validate_responses="log"))) as port:
        base = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{base}{BASE}/trouble/{kind}", trust_env=False).status_code == status
        metrics = httpx.get(f"{base}/metrics", trust_env=False).text
    assert 'penstock_response_breaks_total{operation="probes.trouble"} 1.0' in metrics


def test_a_full_house_says_503_at_once():
    with serving(started(stub.House(threads=1, queue_limit=1))) as port, ThreadPoolExecutor(6) as pool:
        url = f"http://127.0.0.1:{port}{BASE}/trouble/slow"
        statuses = sorted(pool.map(lambda _: httpx.get(url, trust_env=False).status_code, range(6)))
    assert statuses == [200, 200, 503, 503, 503, 503]


# Around the operations


def test_the_document_is_published_with_a_tag(client):
    first = client.get("/openapi.json")
    assert json.loads(first.content)["openapi"] == "3.0.3"
    tag = first.headers["etag"]
    assert tag.startswith('"')
    again = client.get("/openapi.json", headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get("/openapi.yaml").headers["content-type"] == "application/yaml"


def test_the_catalogue_of_events_is_published_beside_it_with_a_tag(client):
    first = client.get("/events.json")
    assert json.loads(first.content)["openapi"] == "3.1.0"
    again = client.get("/events.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["cache-control"].startswith("public")
    assert client.get("/events.yaml").headers["content-type"] == "application/yaml"


def test_health_tells_life_from_readiness(client, house):
    assert client.get("/health/ready").json() == {"status": "ready"}
    house.reason = "migrations are missing"
    answer = client.get("/health/ready")
    assert (answer.status_code, code(answer)) == (503, "service_unavailable")
    assert client.get("/health/live").status_code == 200


def test_metrics_count_requests_by_operation_and_status(client):
    ask(client, "GET", "/notes")
    text = client.get("/metrics").text
    assert 'penstock_request_seconds_count{operation="probes.list_notes",status="200"}' in text
    assert "penstock_pool_waiting" in text


def test_pages_are_given_their_parameters_and_forms(client):
    assert client.get("/hello/ada%20l?x=1").text == "<p>ada l 1 None GET"
    assert client.post("/hello/ada", data={"y": "2"}).text == "<p>ada None 2 POST"
    assert client.head("/hello/ada").status_code == 200
    assert code(client.get("/hello/%ff")) == "not_found"
