"""Every page of this server, by method and path. The front door is handed this list and adds nothing to it."""

from collections.abc import Mapping
from typing import Any

from bootstrap import House
from pages import assets
from pages.challenge import challenge_pages
from pages.checkout import checkout_pages
from pages.comeback import comeback_page
from pages.guides import guide_page
from pages.operate import operate_pages
from pages.reference import Reference
from pages.total import total_page
from penstock.web_page import Route


def routes(house: House, document: Mapping[str, Any]) -> list[Route]:
    """Return the pages of a server that publishes this OpenAPI document."""
    reference = Reference(document)
    hosted, embedded = checkout_pages(house)
    ask, answer = challenge_pages(house)
    comeback = comeback_page(house)
    operate, sign_in, sign_out = operate_pages(house)
    return [
        ("GET", "/", reference.front),
        ("GET", "/docs", reference.interactive),
        ("GET", "/docs/errors", reference.errors),
        ("GET", "/docs/events", reference.events),
        ("GET", "/docs/events/{type}", reference.event),
        ("GET", "/docs/scopes", reference.scopes),
        ("GET", "/docs/total", total_page),
        ("GET", "/docs/guides", guide_page),
        ("GET", "/docs/guides/{name}", guide_page),
        ("GET", "/docs/guides/{folder}/{name}", guide_page),
        ("GET", "/operate", operate),
        ("POST", "/operate/sign-in", sign_in),
        ("POST", "/operate/sign-out", sign_out),
        ("GET", "/static/{name}", assets.serve),
        ("GET", "/embed.js", assets.serve),
        ("GET", "/checkout/{sessionId}", hosted),
        ("GET", "/checkout/{sessionId}/return", comeback),
        ("POST", "/checkout/{sessionId}/return", comeback),
        ("GET", "/embed/{sessionId}", embedded),
        ("GET", "/sandbox/challenge/{ref}", ask),
        ("POST", "/sandbox/challenge/{ref}", answer),
    ]
