"""A real server, a real browser, and the shops that a buyer comes from: honest ones and hostile ones."""

import http.server
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.faults.town import environ_of, penstock, serving
from tests.shop import Shop

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 30_000
"""How many milliseconds the browser may take for what it is told to do."""

SIGHT = int(os.environ.get("PENSTOCK_TEST_SIGHT", "15000"))
"""How many milliseconds something may take to be seen. Only what never comes takes so long."""

MUST_RUN = os.environ.get("CI") == "true" or bool(os.environ.get("PENSTOCK_CI"))


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for each file: its driver leaves an event loop running in this thread as long as it lives."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        said = "NO BROWSER: the checkout pages were not tried. Install one with: apt-get install chromium"
        pytest.fail(said) if MUST_RUN else pytest.skip(said)
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=path, args=FLAGS)
        expect.set_options(timeout=SIGHT)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def town(tmp_path_factory, request) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("e2e")
    environ = environ_of(request.config.rootpath, f"sqlite:///{folder}/penstock.db", PENSTOCK_STATE_DIR=str(folder))
    made = penstock(request.config.rootpath, environ, "init", "--json")
    assert made.returncode == 0, made.stderr
    given = json.loads(made.stdout)
    log = folder / "server.log"
    with (
        serving(request.config.rootpath, environ, log=log) as port,
        httpx.Client(base_url=f"http://localhost:{port}", timeout=30, trust_env=False) as client,
    ):
        yield Shop(
            client,
            given["workspaceId"],
            given["applicationId"],
            given["environmentId"],
            given["secretKey"],
            given["publishableKey"],
            given["dashboardToken"],
        )
    # What a page or an operation broke on stands in the log, even where the buyer saw a polite sentence.
    assert [line for line in log.read_text().splitlines() if '"level":"error"' in line or "Traceback" in line] == []


@dataclass
class Site:
    """A web site on a port of its own, made of the pages that a test writes."""

    origin: str
    pages: dict[str, str] = field(default_factory=dict)

    def put(self, html: str, path: str = "/") -> str:
        """Write a page and return its address."""
        self.pages[path] = html
        return self.origin + path


@contextmanager
def site() -> Iterator[Site]:
    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            html = made.pages.get(urlsplit(self.path).path)
            body = (html or "<title>nothing</title>").encode()
            self.send_response(200 if html else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    made = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def store() -> Iterator[Site]:
    """The merchant's own site, an allowed origin."""
    with site() as made:
        made.put("<title>Thanks</title><h1>Thank you for your order</h1>", "/thanks")
        made.put("<title>Cart</title><h1>Your cart</h1>", "/cart")
        yield made


@pytest.fixture(scope="session")
def sister() -> Iterator[Site]:
    """Another allowed origin of the same merchant."""
    with site() as made:
        yield made


@pytest.fixture(scope="session")
def stranger() -> Iterator[Site]:
    """A site that the merchant has not allowed."""
    with site() as made:
        yield made


@pytest.fixture(scope="session")
def shop(town, store, sister) -> Shop:
    body = {
        "allowedOrigins": [store.origin, sister.origin],
        "merchantName": "Hill & Harbour",
        "primaryColor": "#7c2d12",
    }
    answer = town.put("/embed-config", body)
    assert answer.status_code == 200, answer.text
    return town


@dataclass
class Tab:
    """One tab of a buyer, with everything that it asked for and complained of."""

    page: Page
    home: str
    asked: list[str] = field(default_factory=list)
    completions: list[dict] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def outside(self, *known: str) -> list[str]:
        """What was asked of anyone but the server under test and the sites that the test names."""
        own = ("data:", "blob:", self.home, *known)
        return [url for url in self.asked if not url.startswith(own)]


@pytest.fixture
def tab(chromium, shop) -> Iterator[Tab]:
    context: BrowserContext = chromium.new_context(locale="en-US", viewport={"width": 1200, "height": 900})
    context.set_default_timeout(PATIENCE)
    made = Tab(context.new_page(), str(shop.client.base_url).rstrip("/"))

    def note(request):
        made.asked.append(request.url)
        if request.url.endswith("/complete"):
            made.completions.append(json.loads(request.post_data or "{}"))

    made.page.on("request", note)
    made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
    made.page.on("console", lambda said: made.complaints.append(said.text) if "Content Security" in said.text else None)
    yield made
    context.close()
    assert made.complaints == []


@pytest.fixture
def session(shop, store):
    """Open a session whose buyer still has to give everything; the cart's lines cost 54.18 US dollars."""

    def opened(**fields) -> dict:
        cart = shop.cart()
        shop.item(cart["id"], name="Enamel mug, forest green", unitPrice=1450, quantity=2, discountAmount=200)
        shop.item(cart["id"], name="Linen tea towel", unitPrice=1899, taxAmount=320)
        rate = {"methodId": "std", "displayName": "Standard", "rateAmount": 499}
        assert shop.post(f"/carts/{cart['id']}/shipping", rate).status_code == 200
        urls = {"returnUrl": f"{store.origin}/thanks?from=penstock", "cancelUrl": f"{store.origin}/cart"}
        return shop.session(cart["id"], **urls, **fields)

    return opened
