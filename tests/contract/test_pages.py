"""Pages keep their word: what they answer, what they allow, and what they never show."""

import re
from dataclasses import replace
from datetime import timedelta
from string import Template

import pytest

from connectors.payments.sandbox_bank import is_behaviour
from pages.challenge import is_own
from pages.checkout import checkout_pages, come_back
from pages.guides import DOCS
from pages.summary import brand
from pages.tokens import CHOICES
from pages.total import example
from penstock import catalogue
from penstock.explanation import explain
from penstock.tenant import EmbedConfig
from penstock.web_page import PageRequest
from tests.routes import two_banks
from tests.shop import ADDRESS, made, refused

STORE, SISTER = "https://shop.example", "https://www.shop.example:8443"
BRIEF = {"customerEmail": "ada@example.com", "collect": {"shippingAddress": False}}
READING = (
    "/",
    "/docs",
    "/docs/errors",
    "/docs/events",
    "/docs/events/payment.captured",
    "/docs/scopes",
    "/docs/total",
    "/docs/guides",
    "/docs/guides/checkout",
)


def policy(answer) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in answer.headers["content-security-policy"].split(";"))
    return {name: value for name, _, value in parts}


def page(shop, path, **headers):
    return shop.client.get(path, headers=headers)


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def hosted(shop, **fields):
    return page(shop, f"/checkout/{shop.session(**BRIEF | fields)['id']}")


@pytest.mark.parametrize("path", READING)
def test_documentation_is_html_that_fetches_nothing_from_elsewhere(shop, path):
    answer = page(shop, path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    fetched = re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="([^"]+)"', answer.text)
    assert fetched
    assert all(address.startswith("/static/") for address in fetched)


@pytest.mark.parametrize("kind", catalogue.events())
def test_each_event_type_has_a_page_with_its_moment_its_fields_and_a_whole_event(shop, kind):
    answer = page(shop, f"/docs/events/{kind}")
    assert answer.status_code == 200
    for wanted in (kind, "streamSequence", "evt_0199f3a58b217c0e9d4a6f2c1b3e5d70", catalogue.events()[kind].object):
        assert wanted in answer.text
    assert all(name in answer.text for name in catalogue.event_example(kind))


def test_an_event_type_that_there_is_not_has_no_page(shop):
    assert page(shop, "/docs/events/payment.lost").status_code == 404


@pytest.mark.parametrize(
    "path", [*READING, "/checkout/SESSION", "/embed/SESSION?parentOrigin=STORE", "/checkout/cs_none"]
)
def test_every_page_carries_the_headers_that_guard_it(shop, path):
    made(shop.put("/embed-config", {"allowedOrigins": [STORE]}))
    answer = page(shop, path.replace("SESSION", shop.session(**BRIEF)["id"]).replace("STORE", STORE))
    rules = policy(answer)
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "geolocation=()" in answer.headers["permissions-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert rules["default-src"] == rules["base-uri"] == "'none'"
    assert rules["form-action"] == "'self'"
    assert re.fullmatch(r"'nonce-[A-Za-z0-9_-]{24}'", rules["script-src"])
    assert rules["script-src"] != policy(page(shop, path))["script-src"]
    assert answer.headers["x-request-id"]
    is_reference = path == "/docs"
    assert ("unsafe-inline" in rules["style-src"]) is is_reference
    assert "unsafe" not in rules["script-src"]


def test_browsers_are_held_to_https_where_the_server_is_reached_by_it(shop, house):
    session = shop.session(**BRIEF)
    assert "strict-transport-security" not in page(shop, f"/checkout/{session['id']}").headers
    settings = house.settings.model_copy(update={"public_url": "https://pay.example.com"})
    hosted_page, _ = checkout_pages(replace(house, settings=settings))
    answer = hosted_page(PageRequest("GET", "/checkout", {"sessionId": session["id"]}))
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_nobody_may_frame_a_checkout_until_an_origin_is_allowed(shop):
    session = shop.session(**BRIEF)
    assert policy(page(shop, path_of(session["hostedUrl"])))["frame-ancestors"] == "'none'"
    assert policy(page(shop, path_of(session["embedUrl"])))["frame-ancestors"] == "'none'"
    made(shop.put("/embed-config", {"allowedOrigins": [STORE, SISTER]}))
    for url in (session["hostedUrl"], f"{session['embedUrl']}?parentOrigin={STORE}"):
        assert policy(page(shop, path_of(url)))["frame-ancestors"] == f"{STORE} {SISTER}"


@pytest.mark.parametrize("path", READING)
def test_nobody_may_frame_the_documentation(shop, path):
    assert policy(page(shop, path))["frame-ancestors"] == "'none'"


@pytest.mark.parametrize(
    ("named", "status"),
    [
        (STORE, 200),
        (SISTER, 200),
        (None, 403),
        ("", 403),
        ("*", 403),
        ("null", 403),
        (f"{STORE}/", 403),
        (f"{STORE}:443", 403),
        ("https://SHOP.example", 403),
        (f"{STORE}.evil.example", 403),
        ("http://shop.example", 403),
        ("https://other.example", 403),
    ],
)
def test_a_frame_speaks_only_to_an_origin_that_is_exactly_allowed(shop, named, status):
    made(shop.put("/embed-config", {"allowedOrigins": [STORE, SISTER]}))
    query = {} if named is None else {"parentOrigin": named}
    answer = shop.client.get(f"/embed/{shop.session(**BRIEF)['id']}", params=query)
    assert answer.status_code == status
    assert (f'"parentOrigin": "{named}"' in answer.text) is (status == 200)
    assert ("checkout.js" in answer.text) is (status == 200)


def test_the_only_allowed_origin_need_not_be_named(shop):
    made(shop.put("/embed-config", {"allowedOrigins": [STORE]}))
    answer = page(shop, f"/embed/{shop.session(**BRIEF)['id']}")
    assert f'"parentOrigin": "{STORE}"' in answer.text


def test_one_shop_s_origins_open_nothing_of_another_s(shop, other_shop):
    made(shop.put("/embed-config", {"allowedOrigins": [STORE]}))
    answer = page(other_shop, f"/embed/{other_shop.session(**BRIEF)['id']}?parentOrigin={STORE}")
    assert answer.status_code == 403
    assert policy(answer)["frame-ancestors"] == "'none'"


def test_a_checkout_shows_lines_sums_and_total(shop):
    cart = shop.cart()
    shop.item(cart["id"], name="Enamel mug", unitPrice=1450, quantity=2, discountAmount=200)
    shop.item(cart["id"], name="Towel", unitPrice=1899, taxAmount=320)
    made(shop.post(f"/carts/{cart['id']}/shipping", {"methodId": "s", "displayName": "Standard", "rateAmount": 499}))
    text = page(shop, f"/checkout/{shop.session(cart['id'], **BRIEF)['id']}").text
    for shown in ("Enamel mug", "14.50 USD", "29.00 USD", "2.00 USD", "Shipping (Standard)", "4.99 USD", "3.20 USD"):
        assert shown in text
    assert "54.18 USD" in text


@pytest.mark.parametrize(("currency", "shown"), [("JPY", "1250 JPY"), ("KWD", "1.250 KWD"), ("USD", "12.50 USD")])
def test_amounts_have_as_many_decimals_as_their_currency(shop, currency, shown):
    cart = shop.cart(items=1, currency=currency)
    assert shown in page(shop, f"/checkout/{shop.session(cart['id'], **BRIEF)['id']}").text


def test_a_bare_amount_can_be_paid_without_a_cart(shop):
    session = made(shop.post("/checkout-sessions/embed-token", {"amount": 259900, "currency": "JPY"}))
    answer = page(shop, path_of(session["hostedUrl"]))
    assert answer.status_code == 200
    assert "259900 JPY" in answer.text


def test_a_session_that_costs_nothing_known_says_so(shop):
    answer = hosted(shop, externalCartId="basket-1")
    assert answer.status_code == 409
    assert "There is nothing to pay yet" in answer.text


def test_only_what_is_missing_is_asked_for(shop):
    cart = shop.cart(items=1)
    bare = page(shop, f"/checkout/{shop.session(cart['id'])['id']}").text
    assert 'name="email"' in bare
    assert 'data-address="shippingAddress"' in bare
    assert 'data-address="billingAddress"' not in bare
    known = {"email": "ada@example.com", "shippingAddress": ADDRESS}
    text = page(shop, f"/checkout/{shop.session(cart['id'], customer=known)['id']}").text
    assert 'name="email"' not in text
    assert "data-address" not in text
    assert "1 Main Street" not in text
    wanted = {"shippingAddress": True, "billingAddress": True}
    text = page(shop, f"/checkout/{shop.session(cart['id'], customer=known, collect=wanted)['id']}").text
    assert 'data-address="billingAddress"' in text
    assert 'data-address="shippingAddress"' not in text


HOSTILE = """</script><script>alert(1)</script><img src=x onerror=alert(1)>"'{{7*7}}"""


def test_what_a_merchant_writes_is_text_and_never_markup(shop):
    made(shop.put("/embed-config", {"merchantName": HOSTILE}))
    cart = shop.cart()
    shop.item(cart["id"], name=HOSTILE)
    made(shop.post(f"/carts/{cart['id']}/shipping", {"methodId": "s", "displayName": HOSTILE, "rateAmount": 1}))
    text = page(shop, f"/checkout/{shop.session(cart['id'], **BRIEF)['id']}").text
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "{{7*7}}" in text


def test_the_merchant_s_color_is_used_with_letters_that_can_be_read_on_it(shop):
    made(shop.put("/embed-config", {"primaryColor": "#fde047"}))
    assert "--brand: #fde047; --brand-ink: #14211f" in hosted(shop).text
    assert brand(EmbedConfig(primary_color="#1e3a8a")).ink == "#ffffff"
    assert brand(EmbedConfig(primary_color="red;}")).color is None


@pytest.mark.parametrize("kind", ["checkout", "embed"])
@pytest.mark.parametrize("session_id", ["cs_" + "0" * 32, "cs_short", "x", "cs_%00", "..%2f..%2fetc%2fpasswd", "%ff"])
def test_an_unknown_session_is_a_page_of_its_own_or_not_found(shop, kind, session_id):
    answer = page(shop, f"/{kind}/{session_id}")
    assert answer.status_code == 404


def test_a_paid_session_thanks_and_leads_back(shop):
    session = shop.session()
    made(shop.complete(session["id"]))
    answer = page(shop, f"/checkout/{session['id']}")
    assert answer.status_code == 200
    assert "it is paid" in answer.text
    assert f"https://shop.example/thanks?session_id={session['id']}" in answer.text
    assert "<form" not in answer.text


def test_a_decline_stands_on_the_page_in_words(shop):
    session = shop.session()
    assert shop.complete(session["id"], "tok_sandbox_decline_fraud").status_code == 402
    text = page(shop, f"/checkout/{session['id']}").text
    assert "The payment was declined." in text
    assert "fraud" not in text.split("<form")[0]


def test_a_session_with_an_open_outcome_has_no_form(shop):
    session = shop.session()
    assert shop.complete(session["id"], "tok_sandbox_pending").status_code == 202
    text = page(shop, f"/checkout/{session['id']}").text
    assert "Waiting for your bank" in text
    assert "<form" not in text


def test_an_expired_session_is_gone_and_leads_to_the_cart(shop, clock):
    session = shop.session()
    clock.advance(timedelta(hours=24, seconds=1))
    answer = page(shop, f"/checkout/{session['id']}")
    assert answer.status_code == 410
    assert "This checkout has expired" in answer.text
    assert f"https://shop.example/cart?session_id={session['id']}" in answer.text
    assert "<form" not in answer.text


def test_test_cards_are_offered_outside_production_only(shop, bare_shop, production_shop):
    made(bare_shop.put("/embed-config", {"merchantName": "Bare"}))
    for one, has_choices, has_field in ((shop, True, False), (bare_shop, False, True)):
        text = hosted(one).text
        assert ("tok_sandbox_approve" in text, '<input name="paymentToken"' in text) == (has_choices, has_field)
        assert "Sandbox: nothing is charged here." in text
    live = hosted(production_shop(lifecycle_stage="live")).text
    assert "paymentToken" not in live
    assert "Sandbox" not in live


def challenged(shop) -> tuple[str, str]:
    session = shop.session()
    waiting = made(shop.complete(session["id"], "tok_sandbox_3ds"), 202)
    return session["id"], path_of(waiting["nextAction"]["url"])


def answer_bank(shop, path, answer="approve", **headers):
    return shop.client.post(path, data={"answer": answer}, headers=headers, follow_redirects=False)


@pytest.mark.parametrize(("answer", "status"), [("approve", "captured"), ("fail", "failed")])
def test_the_sandbox_s_bank_settles_and_leads_back_to_the_checkout(shop, answer, status):
    session_id, path = challenged(shop)
    assert "Sandbox bank" in page(shop, path).text
    sent = answer_bank(shop, path, answer)
    assert (sent.status_code, sent.headers["refresh"]) == (200, f"0; url=/checkout/{session_id}/return")
    assert f'href="/checkout/{session_id}/return"' in sent.text
    shop.complete(session_id, "tok_sandbox_3ds")
    order = made(shop.get("/orders"))["data"][0]
    assert [p["status"] for p in made(shop.get(f"/orders/{order['id']}/payments"))["data"]] == [status]


def test_the_bank_is_asked_once_and_its_first_answer_stands(shop):
    session_id, path = challenged(shop)
    answer_bank(shop, path, "approve")
    answer_bank(shop, path, "fail")
    assert made(shop.complete(session_id, "tok_sandbox_3ds"))["paymentStatus"] == "captured"
    again = shop.client.get(path, follow_redirects=False)
    assert (again.status_code, again.headers["location"]) == (303, f"/checkout/{session_id}/return")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_the_bank_takes_no_answer_from_another_page(shop, headers):
    session_id, path = challenged(shop)
    assert answer_bank(shop, path, **headers).status_code == 403
    assert shop.complete(session_id, "tok_sandbox_3ds").status_code == 202


def test_a_form_of_the_bank_s_own_page_is_its_own():
    headers = {"host": "pay.example:8443", "origin": "https://pay.example:8443", "sec-fetch-site": "same-origin"}
    assert is_own(PageRequest("POST", "/", headers=headers))
    assert not is_own(PageRequest("POST", "/", headers={**headers, "origin": "https://pay.example"}))


def test_the_bank_knows_only_the_charge_of_the_session_that_is_named(shop, other_shop):
    session_id, path = challenged(shop)
    ref, _, _ = path.partition("?")
    other_id, _ = challenged(other_shop)
    for wrong in (ref, f"{ref}?session_id={other_id}", f"/sandbox/challenge/sbx_0?session_id={session_id}"):
        assert page(shop, wrong).status_code == 404
        assert answer_bank(shop, wrong).status_code == 404


def test_an_answer_that_is_none_is_refused(shop):
    _, path = challenged(shop)
    assert answer_bank(shop, path, "maybe").status_code == 400
    assert shop.client.post(path, content=b"\xff\xfe").status_code == 400


def test_every_error_event_and_scope_has_its_place(shop):
    errors, events, scopes = (page(shop, f"/docs/{name}").text for name in ("errors", "events", "scopes"))
    assert [code for code in catalogue.errors() if f'id="{code}"' not in errors] == []
    assert [kind for kind in catalogue.events() if f'id="{kind}"' not in events] == []
    assert [scope for scope in catalogue.scopes().titles if f'id="{scope}"' not in scopes] == []


def test_an_error_s_entry_says_cause_fix_retry_and_where_it_comes_from(shop):
    entry = page(shop, "/docs/errors").text.partition('id="payment_failed"')[2].partition("</article>")[0]
    declared = catalogue.errors()["payment_failed"]
    assert str(declared.status) in entry
    assert declared.cause in entry
    for said in ("Fix", "Retry", "declineKind", "POST /checkout-sessions/{id}/complete"):
        assert said in entry


def test_static_files_can_be_kept_for_ever_and_come_packed(shop):
    address = re.search(r'"(/static/site\.css\?v=[0-9a-f]{16})"', page(shop, "/").text)[1]
    answer = page(shop, address)
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["content-encoding"] == "gzip"
    assert page(shop, address, **{"if-none-match": answer.headers["etag"]}).status_code == 304
    assert "immutable" not in page(shop, "/static/site.css?v=0").headers["cache-control"]
    assert page(shop, address, **{"accept-encoding": "identity"}).text == answer.text


@pytest.mark.parametrize("name", ["x.css", "..%2fassets.py", "%2e%2e%2fassets.py", "site.css%00", "templates"])
def test_nothing_but_the_named_files_is_served(shop, name):
    assert page(shop, f"/static/{name}").status_code == 404


def test_the_embedding_script_has_a_steady_address(shop):
    answer = page(shop, "/embed.js")
    assert answer.status_code == 200
    assert "PenstockCheckout" in answer.text
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


def test_a_page_answers_head_as_get_without_a_body(shop):
    answer = shop.client.head("/docs/errors")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_a_guide_that_is_not_there_is_not_found(shop):
    for path in ("/docs/guides/nothing", "/docs/guides/..%2fREADME", "/docs/guides/adr/nothing"):
        assert page(shop, path).status_code == 404


COMMAND = re.compile(
    r"curl -s (?:-X (?P<method>[A-Z]+) )?\$API(?P<path>\S+)(?P<rest>(?:.|\n)*?)(?=\ncurl|\nexport|\Z)",
)


def commands(guide: str, variables: dict[str, str]):
    """Each curl command of a guide, as method, path, headers and body. What a variable stands for comes from the dict."""
    text = (DOCS / guide).read_text().replace("$(penstock token)", "$TOKEN")
    member = "".join(re.findall(r"<<END\n(.*?)\nEND", text, re.DOTALL))
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for found in COMMAND.finditer(block.strip()):
            body = re.search(r"-d '(.*)'", found["rest"], re.DOTALL)
            filled = Template(re.sub(r"'(\$[A-Z]+)'", r"\1", body[1] if body else ""))
            headers = dict(re.findall(r'-H "([^:]+): ([^"]+)"', found["rest"]))
            if "-H @me.txt" in found["rest"]:
                headers |= re.findall(r"^([A-Z][\w-]+): (.+)$", member, re.MULTILINE)
            yield (
                found["method"] or ("POST" if body else "GET"),
                Template(found["path"]).substitute(variables),
                {name: Template(value).substitute(variables) for name, value in headers.items()},
                filled.substitute(variables) if body else None,
            )


def test_the_commands_of_the_guides_do_what_they_say(shop):
    variables = {"KEY": shop.secret_key, "APP": shop.application_id, "CART": "", "SESSION": "", "ORDER": ""}
    learned = {"/carts": ("CART", "id"), "/checkout/sessions": ("SESSION", "id"), "/complete": ("ORDER", "orderId")}
    paths = []
    for guide in ("checkout.md", "embedding.md"):
        for method, path, headers, body in commands(guide, variables):
            answer = shop.client.request(method, f"/api/v1{path}", headers=headers, content=body)
            assert answer.status_code in (200, 201), f"{method} {path}: {answer.text}"
            paths.append(path)
            for ending, (name, field) in learned.items():
                if path.endswith(ending):
                    variables[name] = answer.json()[field]
    assert len(paths) == 9
    assert made(shop.get(f"/orders/{variables['ORDER']}"))["paymentStatus"] == "captured"


def test_the_commands_about_routing_do_what_the_guide_says(shop):
    ids = two_banks(shop)
    variables = {"TOKEN": shop.dashboard_token, "APP": shop.application_id, "ENV": shop.environment_id}
    variables |= {"KEY": shop.secret_key, "A": ids["sandbox"], "B": ids["sandbox_b"], "PAYMENT": ""}
    answers = []
    for method, path, headers, body in commands("routing.md", variables):
        if path == "/payments":
            refused(shop.complete(shop.session()["id"], "tok_sandbox_decline_soft"), 402, "payment_failed")
        answers.append(made(shop.client.request(method, f"/api/v1{path}", headers=headers, content=body)))
        if path == "/payments":
            variables["PAYMENT"] = answers[-1]["data"][0]["id"]
    listed, imagined, _, _, trace = answers
    assert {each["id"] for each in listed["data"]} == set(ids.values())
    assert (imagined["rule"], [each["state"] for each in imagined["connectors"]]) == (0, ["would_try"] * 2)
    went = [(each["connector"], each["next"], each["reason"]) for each in trace["attempts"]]
    assert went == [("sandbox_b", "went_on", "declined_soft"), ("sandbox", "stopped", "no_more_connectors")]


@pytest.mark.parametrize(
    ("url", "back"),
    [
        ("https://a.example/x", "https://a.example/x?session_id=cs_1"),
        ("https://a.example/x?a=1&a=2", "https://a.example/x?a=1&a=2&session_id=cs_1"),
        ("https://a.example", "https://a.example?session_id=cs_1"),
        (None, None),
    ],
)
def test_a_buyer_comes_back_with_the_session_s_id(url, back):
    assert come_back(url, "cs_1") == back


def test_every_token_that_the_page_offers_is_one_of_the_sandbox_s():
    assert [one.value for one in CHOICES if not is_behaviour(one.value.removeprefix("tok_sandbox_"))] == []


def test_the_page_of_one_total_is_led_to_from_everywhere_in_the_documentation(shop):
    for path in ("/", "/docs/errors", "/docs/guides"):
        assert 'href="/docs/total"' in page(shop, path).text


def test_the_page_of_one_total_shows_every_rate_rule_and_rounding_and_adds_up(shop):
    text = page(shop, "/docs/total").text
    told = explain(example())
    for tax in (tax for part in [*told["lines"], told["shipping"]] for tax in part["taxes"]):
        assert tax["rateId"] in text
        assert f"of {tax['base']} is {tax['exact']}" in text
    assert "Discount TEATIME" in text
    assert "share of 10 % off everything" in text
    assert told["sum"] in text
    parts = [part["total"] for part in [*told["lines"], told["shipping"]]]
    assert sum(parts) == example().breakdown.total
    assert {"up", "down"} <= {tax["rounded"] for part in told["lines"] for tax in part["taxes"]}, "it shows both ways"
