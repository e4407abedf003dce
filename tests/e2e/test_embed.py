"""Who may frame the checkout, what its frame tells to whom, and that it obeys nobody."""

import json

import pytest
from playwright.sync_api import Frame, expect

from tests.e2e.test_checkout import BRIEF, CHALLENGE, DECLINE, pay, statuses
from tests.shop import made

REFUSED = "chrome-error://chromewebdata/"
MOUNTED = """
<title>Store</title><h1>Store</h1><div id="place" style="max-width: 480px"></div>
<script>window.heard = []; window.addEventListener("message", (event) => {
  if (event.data && event.data.source === "penstock") heard.push({ ...event.data, origin: event.origin });
});</script>
<script src="HOME/embed.js"></script>
<script>
  window.told = [];
  const say = (name) => (message) => told.push({ name, ...message });
  window.checkout = PenstockCheckout.mount(document.getElementById("place"), {
    url: URL_HERE, onReady: say("ready"), onProcessing: say("processing"), onStep: say("step"),
    onSucceeded: say("succeeded"), onFailed: say("failed"), onClosed: say("closed"), onResize: say("resize"),
  });
</script>"""
FRAMED = """
<title>Framing</title>
<script>window.heard = []; window.addEventListener("message", (event) => heard.push(event.data));</script>
<iframe src="URL_HERE" width="500" height="700"></iframe>"""


def mounted(tab, url: str) -> str:
    return MOUNTED.replace("HOME", tab.home).replace("URL_HERE", json.dumps(url))


def framed(url: str) -> str:
    return FRAMED.replace("URL_HERE", url)


def inner(tab) -> Frame:
    tab.page.wait_for_timeout(800)
    return tab.page.frames[1]


def told(tab) -> list[str]:
    return [message["name"] for message in tab.page.evaluate("told")]


def until_told(tab, name: str) -> dict:
    tab.page.wait_for_function("(name) => told.some((message) => message.name === name)", arg=name)
    return next(one for one in tab.page.evaluate("told") if one["name"] == name)


@pytest.fixture
def embedded(tab, store, session):
    """An open session, embedded in the store's own page."""
    opened = session(**BRIEF)
    tab.page.goto(store.put(mounted(tab, opened["embedUrl"]), "/embedding"))
    until_told(tab, "ready")
    return opened


def test_an_allowed_page_is_told_how_the_payment_goes(tab, shop, store, embedded):
    frame = tab.page.frame_locator("iframe")
    expect(frame.get_by_role("button", name="Pay $54.18")).to_be_enabled()
    pay(frame)
    done = until_told(tab, "succeeded")
    assert statuses(shop, embedded) == ["captured"]
    order = made(shop.get("/orders"))["data"][0]
    assert (done["orderId"], done["sessionId"]) == (order["id"], embedded["id"])
    order_of_words = [word for word in told(tab) if word != "resize"]
    assert order_of_words[:3] == ["ready", "processing", "succeeded"]
    assert {one["origin"] for one in tab.page.evaluate("heard")} == {tab.home}
    assert {one["version"] for one in tab.page.evaluate("heard")} == {1}
    expect(frame.get_by_role("heading", name="Thank you")).to_be_visible()
    assert tab.page.url.startswith(store.origin)
    assert tab.outside(store.origin) == []


def test_the_frame_is_as_high_as_what_is_in_it(tab, embedded):
    tab.page.wait_for_function("told.some((message) => message.name === 'resize')")
    inside = tab.page.frames[1].evaluate("document.body.getBoundingClientRect().height")
    outside = tab.page.evaluate("document.querySelector('iframe').getBoundingClientRect().height")
    assert abs(outside - max(inside, 480)) < 2


def test_a_decline_in_a_frame_is_told_and_leaves_the_form(tab, shop, embedded):
    frame = tab.page.frame_locator("iframe")
    pay(frame, DECLINE)
    assert until_told(tab, "failed")["code"] == "payment_failed"
    expect(frame.get_by_role("alert").first).to_contain_text("insufficient funds")
    pay(frame)
    until_told(tab, "succeeded")
    assert statuses(shop, embedded) == ["captured", "failed"]


def test_a_bank_in_a_frame_leads_back_into_the_frame(tab, shop, store, embedded):
    frame = tab.page.frame_locator("iframe")
    pay(frame, CHALLENGE)
    assert until_told(tab, "step")["step"] == "authentication"
    frame.get_by_role("button", name="Approve").click()
    until_told(tab, "succeeded")
    assert tab.page.url.startswith(store.origin)
    assert statuses(shop, embedded) == ["captured"]


def test_leaving_is_told_and_leads_nowhere(tab, store, embedded):
    tab.page.frame_locator("iframe").get_by_role("link", name="Cancel").click()
    until_told(tab, "closed")
    assert "/embed/" in tab.page.frames[1].url


def test_a_session_that_is_over_is_told_as_such(tab, shop, store, session):
    opened = session(**BRIEF)
    made(shop.complete(opened["id"]))
    tab.page.goto(store.put(mounted(tab, opened["embedUrl"]), "/over"))
    assert until_told(tab, "succeeded")["orderId"]


@pytest.mark.parametrize("kind", ["embedUrl", "hostedUrl"])
def test_a_page_that_is_not_allowed_cannot_frame_a_checkout(tab, stranger, session, kind):
    url = session(**BRIEF)[kind]
    tab.page.goto(stranger.put(framed(url)))
    assert inner(tab).url == REFUSED
    assert tab.page.evaluate("heard") == []
    tab.complaints.clear()  # the refusal itself


def test_a_stranger_who_names_an_allowed_origin_is_refused_all_the_same(tab, store, stranger, session):
    url = f"{session(**BRIEF)['embedUrl']}?parentOrigin={store.origin}"
    tab.page.goto(stranger.put(framed(url)))
    assert inner(tab).url == REFUSED
    assert tab.page.evaluate("heard") == []
    tab.complaints.clear()


def test_a_page_without_an_origin_cannot_frame_a_checkout(tab, store, session):
    url = f"{session(**BRIEF)['embedUrl']}?parentOrigin={store.origin}"
    hidden = f"<iframe sandbox='allow-scripts' srcdoc='<iframe src={url}></iframe>'></iframe>"
    tab.page.goto(store.put(f"<title>Sandboxed</title>{hidden}", "/sandboxed"))
    tab.page.wait_for_timeout(800)
    assert [frame.url for frame in tab.page.frames][2:] == [REFUSED]
    tab.complaints.clear()


def test_a_stranger_cannot_frame_an_allowed_page_that_frames_the_checkout(tab, store, stranger, session):
    inside = store.put(framed(f"{session(**BRIEF)['embedUrl']}?parentOrigin={store.origin}"), "/inside")
    tab.page.goto(stranger.put(framed(inside), "/around"))
    tab.page.wait_for_timeout(800)
    assert tab.page.frames[2].url == REFUSED
    tab.complaints.clear()


def test_a_frame_tells_only_the_origin_that_was_named(tab, store, sister, session):
    url = f"{session(**BRIEF)['embedUrl']}?parentOrigin={sister.origin}"
    tab.page.goto(store.put(framed(url), "/crossed"))
    frame = tab.page.frame_locator("iframe")
    expect(frame.get_by_role("button", name="Pay")).to_be_enabled()
    pay(frame)
    expect(frame.get_by_role("heading", name="Thank you")).to_be_visible()
    assert tab.page.evaluate("heard") == []


@pytest.mark.parametrize("origin", ["null", "*", "STRANGER", "STORE/", "STORE.evil.example", "", "https://127.0.0.1"])
def test_an_origin_that_is_not_exactly_allowed_gets_no_form_and_no_message(tab, store, stranger, session, origin):
    named = origin.replace("STRANGER", stranger.origin).replace("STORE", store.origin)
    url = f"{session(**BRIEF)['embedUrl']}?parentOrigin={named}"
    tab.page.goto(store.put(framed(url), "/inexact"))
    frame = tab.page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="This checkout cannot be shown here")).to_be_visible()
    expect(frame.get_by_role("button")).to_have_count(0)
    assert tab.page.evaluate("heard") == []


HOSTILE = """(frame) => {
  const words = ["ready", "pay", "submit", "complete", "succeeded", "failed", "closed", "resize", "navigate", "step"];
  for (const type of words) {
    for (const data of [type, { type }, { source: "penstock", version: 1, type, sessionId: SESSION, height: 10,
                        url: "https://evil.example", returnUrl: "https://evil.example", paymentToken: "tok_sandbox_approve" }]) {
      frame.postMessage(data, "*");
    }
  }
}"""


def test_no_message_moves_the_frame(tab, shop, embedded):
    frame = tab.page.frame_locator("iframe")
    expect(frame.get_by_role("button", name="Pay")).to_be_enabled()
    before = (tab.page.frames[1].url, tab.page.frames[1].evaluate("document.body.innerHTML"))
    call = HOSTILE.replace("SESSION", json.dumps(embedded["id"]))
    tab.page.evaluate(f"({call})(document.querySelector('iframe').contentWindow)")
    tab.page.wait_for_timeout(500)
    assert (tab.page.frames[1].url, tab.page.frames[1].evaluate("document.body.innerHTML")) == before
    assert tab.completions == []
    assert statuses(shop, embedded) == []


def test_a_sibling_frame_cannot_speak_for_the_checkout(tab, store, stranger, sister, embedded):
    call = HOSTILE.replace("SESSION", json.dumps(embedded["id"]))
    for site in (stranger, sister, store):
        hostile = f"<script>({call})(window.parent); ({call})(window.parent.frames[0]);</script>"
        url = site.put(hostile, "/hostile")
        tab.page.evaluate(
            "(url) => document.body.append(Object.assign(document.createElement('iframe'), { src: url }))", url
        )
    tab.page.wait_for_function("heard.filter((one) => one.type === 'succeeded').length >= 3")
    assert "succeeded" not in told(tab)
    assert "closed" not in told(tab)
    assert tab.completions == []


def test_a_page_that_opened_the_checkout_in_a_window_hears_nothing(tab, store, session):
    url = f"{session(**BRIEF)['embedUrl']}?parentOrigin={store.origin}"
    tab.page.goto(store.put(framed("about:blank"), "/opener"))
    with tab.page.context.expect_page() as opened:
        tab.page.evaluate("(url) => { window.open(url); }", url)
    expect(opened.value.get_by_role("button", name="Pay")).to_be_enabled()
    assert tab.page.evaluate("heard") == []
