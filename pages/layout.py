"""How every page is drawn: templates, one style sheet, and headers that allow nothing which the page did not bring."""

import re
import secrets
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from pages import assets
from penstock.web_page import PageResponse

_TEMPLATES: Final = Path(__file__).parent / "templates"
_CODE: Final = re.compile(r"`([^`]+)`")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = assets.url
    environment.filters["prose"] = prose
    environment.filters["json"] = lambda text: Markup(colored(text, "json"))  # noqa: S704  it escapes
    return environment


def prose(text: str) -> Markup:
    """Return one of the spec's sentences as HTML: escaped, its `code` marked as such."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  escaped on this line


def colored(code: str, language: str, _: str = "") -> str:
    """Return code as HTML, escaped, its parts marked with classes that the style sheet colors."""
    try:
        lexer = get_lexer_by_name(language or "text")
    except ClassNotFound:
        lexer = get_lexer_by_name("text")
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True, classprefix="h-")))


def policy(nonce: str, *, ancestors: Sequence[str] = (), images: Sequence[str] = ()) -> str:
    """Return a content security policy.

    ``ancestors`` are the origins that may frame the page (none by default), ``images`` those beside https that
    may give it a picture.
    """
    framing = " ".join(ancestors) or "'none'"
    pictures = " ".join(("'self'", "https:", "data:", *images))
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{nonce}'",
            f"style-src 'self' 'nonce-{nonce}'",
            f"img-src {pictures}",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            f"frame-ancestors {framing}",
        )
    )


def security_headers(csp: str) -> dict[str, str]:
    """Return the headers that every page carries."""
    return {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": csp,
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), usb=()",
    }


def render(
    template: str,
    values: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
    ancestors: Sequence[str] = (),
    images: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
) -> PageResponse:
    """Draw a template. Every answer has a fresh nonce, so nothing of it may be kept by a shared cache."""
    nonce = secrets.token_urlsafe(18)
    text = _environment().get_template(template).render({"theme": None, **(values or {}), "nonce": nonce})
    own = security_headers(policy(nonce, ancestors=ancestors, images=images))
    return PageResponse(status, text.encode(), {**own, "cache-control": "no-store", **(headers or {})})
