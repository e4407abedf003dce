"""Whoever runs Penstock sees what waits and what is late: on a page, in metrics and by command."""

import re
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from cli.jobs import span
from cli.main import app as commands
from tests.shop import made
from tests.shops import hand_on

OWN = {"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"}


def sign_in(shop, token=None, **headers):
    return shop.client.post(
        "/operate/sign-in",
        content=f"token={token or shop.dashboard_token}&application={shop.application_id}&environment={shop.environment_id}",
        headers={**OWN, **headers},
        follow_redirects=False,
    )


def cookie_of(answer):
    return answer.headers["set-cookie"].partition(";")[0]


def look(shop, query="", cookie=None):
    return shop.client.get(f"/operate{query}", headers={"cookie": cookie or cookie_of(sign_in(shop))})


@pytest.fixture(autouse=True)
def forgetful(client):
    """No cookie of one test is another's."""
    yield
    client.cookies.clear()


def test_without_a_session_there_is_only_the_door(shop):
    answer = shop.client.get("/operate")
    assert answer.status_code == 200
    assert 'name="token"' in answer.text
    assert "Deliveries" not in answer.text.replace("webhook deliveries", "")


def test_a_token_opens_it_and_is_kept_where_no_script_and_no_other_site_gets_it(shop):
    answer = sign_in(shop)
    assert (answer.status_code, answer.headers["location"]) == (303, "/operate")
    assert {"HttpOnly", "SameSite=Strict", "Path=/operate"} <= set(answer.headers["set-cookie"].split("; "))
    page = look(shop)
    assert page.status_code == 200
    assert shop.application_id in page.text
    assert page.headers["cache-control"] == "no-store"
    assert shop.dashboard_token not in page.text


@pytest.mark.parametrize("token", ["x", "a.b.c", ""])
def test_a_token_that_is_none_does_not_open_it(shop, token):
    assert sign_in(shop, token or " ").status_code == 401
    assert look(shop, cookie=f"penstock_dashboard={token}~~").status_code in (200, 401)
    assert shop.application_id not in look(shop, cookie=f"penstock_dashboard={token}~~").text


def test_a_form_of_another_site_signs_nobody_in(shop):
    answer = sign_in(shop, **{"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    out = shop.client.post(
        "/operate/sign-out", headers={**OWN, "origin": "https://evil.example"}, follow_redirects=False
    )
    assert out.status_code == 403


def test_signing_out_forgets_the_token(shop):
    answer = shop.client.post("/operate/sign-out", headers=OWN, follow_redirects=False)
    assert answer.status_code == 303
    assert "Max-Age=0" in answer.headers["set-cookie"]


def test_it_shows_endpoints_deliveries_and_what_is_late(shop, house, clock):
    body = {"url": "https://store.example.com/hooks", "enabledEvents": ["cart.created"]}
    endpoint = made(shop.post("/webhook-endpoints", body), 201)
    paused = made(shop.post("/webhook-endpoints", {**body, "url": "https://store.example.com/2"}), 201)
    made(shop.patch(f"/webhook-endpoints/{paused['id']}", {"isActive": False}))
    made(shop.post(f"/webhook-endpoints/{endpoint['id']}/test", {"eventType": "order.created"}))
    shop.cart()
    hand_on(house)
    shop.cart()
    page = look(shop).text
    for wanted in ("store.example.com/hooks", "paused", "cart.created", "order.created", "pending", "test", "#1"):
        assert wanted in page
    assert "does a worker run" not in page.lower()
    clock.advance(timedelta(minutes=5))
    assert "does a worker run" in look(shop).text.lower()
    only = look(shop, f"?endpoint={paused['id']}").text
    assert "show all" in only
    assert "cart.created" not in only.partition("<h2>Deliveries")[2]


def test_it_shows_nothing_of_another_tenant_s(shop, other_shop, house):
    body = {"url": "https://theirs.example.com/hooks", "enabledEvents": ["cart.created"]}
    theirs = made(other_shop.post("/webhook-endpoints", body), 201)["id"]
    other_shop.cart()
    hand_on(house)
    refused = shop.client.post(
        "/operate/sign-in",
        content=f"token={shop.dashboard_token}&application={other_shop.application_id}&environment={shop.environment_id}",
        headers=OWN,
    )
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)
    for query in ("", f"?endpoint={theirs}"):
        page = look(shop, query).text
        assert "theirs.example.com" not in page
        assert other_shop.application_id not in page


def test_a_token_that_names_no_place_is_asked_for_one(shop):
    answer = shop.client.post("/operate/sign-in", content=f"token={shop.dashboard_token}", headers=OWN)
    assert (answer.status_code, "say which application" in answer.text) == (400, True)


def test_what_a_receiver_s_address_says_is_never_markup(shop):
    body = {"url": "https://store.example.com/%3Cb%3E?x=<script>alert(1)</script>", "enabledEvents": ["cart.created"]}
    if shop.post("/webhook-endpoints", body).status_code == 201:
        assert "<script>alert" not in look(shop).text


def test_metrics_tell_what_waits_and_for_how_long(shop, house, clock):
    hand_on(house)
    made(
        shop.post("/webhook-endpoints", {"url": "https://store.example.com/h", "enabledEvents": ["cart.created"]}), 201
    )
    shop.cart()
    clock.advance(timedelta(seconds=90))
    text = shop.client.get("/metrics").text
    value = {
        name: float(re.search(rf"^penstock_{name} (\S+)$", text, re.MULTILINE)[1])
        for name in ("events_waiting", "events_lag_seconds")
    }
    assert value["events_waiting"] >= 1
    assert value["events_lag_seconds"] >= 90
    hand_on(house)
    clock.advance(timedelta(seconds=30))
    text = shop.client.get("/metrics").text
    assert re.search(r"^penstock_events_waiting 0\.0$", text, re.MULTILINE)
    for name in ("due_rows", "due_rows_now", "due_oldest_seconds"):
        assert float(re.search(rf'^penstock_{name}{{kind="deliver"}} (\S+)$', text, re.MULTILINE)[1]) >= 1


def test_the_command_shows_what_is_due_and_complains_about_what_is_late(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    run = CliRunner()
    assert run.invoke(commands, ["init"], prog_name="penstock").exit_code == 0
    done = run.invoke(commands, ["jobs"], prog_name="penstock")
    assert done.exit_code == 0, done.output
    assert "0 events wait to be handed on" in done.output


def test_the_command_names_late_and_failing_rows(house, shop, clock, monkeypatch):
    monkeypatch.setenv("PENSTOCK_SECRET_KEY", "a root secret that only tests may ever know 0123456789")
    monkeypatch.setenv("PENSTOCK_DATABASE_URL", house.settings.database_url)
    scope = house.identity.by_key(shop.secret_key).scope
    with house.work(scope) as uow:
        uow.due.add("deliver", "late-one", uow.now - timedelta(minutes=10))
    done = CliRunner().invoke(commands, ["jobs"], prog_name="penstock")
    assert (done.exit_code, "Something is late" in done.output) == (1, True)
    assert re.search(r"deliver +\d+ +\d+ +\d+ (min|h|d) ago", done.output)
    with house.work(scope) as uow:
        uow.due.done("deliver", "late-one")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (400_000, "5 d")]
)
def test_lengths_of_time_are_said_as_people_say_them(seconds, said):
    assert span(seconds) == said
