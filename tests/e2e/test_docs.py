"""Does the documentation work where there is no network but this server?"""

import re

import pytest
from playwright.sync_api import expect

from penstock import catalogue

WHOLE = ("/", "#", "https://", "http://", "data:")


def test_the_reference_renders_and_asks_nobody_else(tab):
    tab.page.goto(f"{tab.home}/docs")
    for text in ("Open a cart", "checkout_sessions", "X-API-Key", f"{tab.home}/api/v1"):
        expect(tab.page.get_by_text(text).first).to_be_visible()
    tab.page.mouse.wheel(0, 4000)
    tab.page.wait_for_timeout(1500)
    assert any(url.endswith("/openapi.json") for url in tab.asked)
    assert tab.outside() == []


def test_an_operation_can_be_tried_in_the_reference(tab, shop):
    tab.page.goto(f"{tab.home}/docs#tag/orders/GET/orders")
    tab.page.get_by_role("button", name="Test Request").first.click()
    client = tab.page.get_by_role("dialog")
    client.get_by_text("X-API-Key").wait_for()
    client.locator("input[placeholder^=QUx]").fill(shop.secret_key)
    with tab.page.expect_response(re.compile("/api/v1/orders")) as answer:
        client.get_by_role("button", name="Send").first.click()
    assert answer.value.status == 200
    assert answer.value.request.headers["x-api-key"] == shop.secret_key
    expect(client.get_by_text("200 OK").first).to_be_visible()
    assert tab.outside() == []


def test_the_samples_can_be_read_against_another_server(tab, shop):
    tab.page.goto(f"{tab.home}/docs")
    tab.page.locator("button:visible", has_text=f"{tab.home}/api/v1").click()
    tab.page.locator(":visible", has_text="{server}/api/v1").last.click()
    expect(tab.page.get_by_role("textbox", name="server :")).to_have_value("https://pay.example.com")
    assert tab.outside() == []


def test_an_error_leads_to_its_own_entry(tab, shop):
    error = shop.get("/orders", key="sk_nonsense").json()["error"]
    tab.page.goto(error["docs"])
    entry = tab.page.locator("#unauthorized")
    expect(entry).to_be_in_viewport()
    expect(entry).to_contain_text("401")
    box = entry.bounding_box()
    assert 0 < box["y"] < 200


def test_every_error_and_event_has_its_anchor(tab):
    tab.page.goto(f"{tab.home}/docs/errors")
    assert set(catalogue.errors()) <= set(tab.page.locator("article").evaluate_all("(all) => all.map((one) => one.id)"))
    tab.page.goto(f"{tab.home}/docs/events")
    assert set(catalogue.events()) <= set(tab.page.locator("article").evaluate_all("(all) => all.map((one) => one.id)"))


def test_no_link_of_the_documentation_is_dead(tab, shop):
    waiting, seen = ["/"], set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = shop.client.get(path)
        assert answer.status_code == 200, path
        if "text/html" not in answer.headers["content-type"] or path == "/docs":
            continue
        assert [link for link in re.findall(r'(?:href|src)="([^"]+)', answer.text) if not link.startswith(WHOLE)] == []
        links = re.findall(r'(?:href|src)="(/[^"#]*)', answer.text)
        waiting += [link for link in links if link not in seen]
        for anchor in re.findall(r'href="#([^"]+)"', answer.text):
            assert f'id="{anchor}"' in answer.text, f"{path}#{anchor}"
    assert len(seen) > 10


@pytest.mark.parametrize(
    "path", ["/", "/docs/errors", "/docs/events", "/docs/scopes", "/docs/total", "/docs/guides/checkout"]
)
@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_its_screen(tab, path, width):
    tab.page.set_viewport_size({"width": width, "height": 800})
    tab.page.goto(tab.home + path)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.outside() == []


@pytest.mark.parametrize("path", ["/", "/docs/errors", "/docs/guides/http"])
def test_a_reader_without_javascript_reads_all_the_same(chromium, tab, path):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(tab.home + path)
    expect(page.locator("h1")).to_be_visible()
    context.close()
