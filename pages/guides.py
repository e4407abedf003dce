"""The guides in ``docs/``, as pages: the same Markdown that a reader of the repository sees."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from pages.layout import colored, render
from penstock.web_page import PageRequest, PageResponse

DOCS: Final = Path(__file__).parent.parent / "docs"
_FIRST: Final = ("index", "checkout", "embedding", "routing", "shipping-tax", "http")
_SHELVES: Final = (("", "Guides"), ("connectors", "Connectors"), ("operators", "Operators"), ("adr", "Decisions"))


@dataclass(frozen=True, slots=True)
class Guide:
    """One guide: its name under ``/docs/guides/``, its title, and its text as HTML."""

    name: str
    title: str
    html: str

    @property
    def address(self) -> str:
        """Where the guide is read."""
        return f"/docs/guides/{self.name}"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Guides that stand together under one heading."""

    title: str
    guides: tuple[Guide, ...]


@cache
def shelves() -> tuple[Shelf, ...]:
    """Return every guide that ships, in the order to read them."""
    found = ((title, _shelf(folder)) for folder, title in _SHELVES)
    return tuple(Shelf(title, guides) for title, guides in found if guides)


def guide_page(request: PageRequest) -> PageResponse:
    """Show a guide, or the list of them."""
    wanted = "/".join(request.params[part] for part in ("folder", "name") if part in request.params)
    every = {guide.name: guide for shelf in shelves() for guide in shelf.guides}
    found = every.get(wanted or "index")
    if found is None:
        return render("missing.html", {"here": "/docs/guides", "what": "guide"}, status=404)
    return render("guide.html", {"here": "/docs/guides", "guide": found, "shelves": shelves()})


def _shelf(folder: str) -> tuple[Guide, ...]:
    paths = sorted((DOCS / folder).glob("*.md"), key=lambda path: (_rank(path.stem), path.stem))
    return tuple(_read(path, folder) for path in paths)


def _rank(stem: str) -> int:
    return _FIRST.index(stem) if stem in _FIRST else len(_FIRST)


def _read(path: Path, folder: str) -> Guide:
    markdown = MarkdownIt("commonmark", {"html": False, "highlight": colored}).enable("table")
    tokens = markdown.parse(path.read_text(encoding="utf-8"))
    title = path.stem.replace("-", " ").capitalize()
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            text = _plain(tokens[index + 1])
            token.attrSet("id", slug(text))
            title = text if token.tag == "h1" else title
        for child in token.children or ():
            _lead_to_pages(child, folder)
    html = markdown.renderer.render(tokens, markdown.options, {})
    html = html.replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")
    return Guide(f"{folder}/{path.stem}" if folder else path.stem, title, html)


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or ())


def slug(text: str) -> str:
    """Return a heading's anchor, as the hosts of repositories make it."""
    return re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")


def _lead_to_pages(link: Token, folder: str) -> None:
    """Point a link between files at the page; one that leaves the guides for the source tree stays as its words."""
    target = link.attrGet("href")
    if link.type != "link_open" or not isinstance(target, str) or "://" in target or target.startswith(("/", "#")):
        return
    path, _, anchor = target.partition("#")
    file = (DOCS / folder / path).resolve()
    if file.suffix == ".md" and file.is_file() and file.is_relative_to(DOCS.resolve()):
        name = file.relative_to(DOCS.resolve()).with_suffix("").as_posix()
        link.attrSet("href", f"/docs/guides/{name}" + (f"#{anchor}" if anchor else ""))
    else:
        link.attrs.pop("href")
