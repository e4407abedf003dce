"""``penstock new-connector``."""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from string import Template
from typing import Annotated, Final

import typer

from cli import show
from cli.trouble import Trouble

_TEMPLATES: Final = Path(__file__).parent / "connector_package"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_FILES: Final = (
    ("pyproject.toml.txt", "pyproject.toml"),
    ("README.md.txt", "README.md"),
    ("{module}.py.txt", "src/penstock_{name}.py"),
    ("test_{module}.py.txt", "tests/test_{name}.py"),
)


class PackageKind(StrEnum):
    """What a package is for."""

    PAYMENT = "payment"
    TAX = "tax"
    SHIPPING = "shipping"


_WORDS: Final[Mapping[PackageKind, Mapping[str, str]]] = {
    PackageKind.PAYMENT: {
        "module": "connector",
        "kind": "a connector",
        "what": "Payments through",
        "claim": "refund=True",
    },
    PackageKind.TAX: {
        "module": "engine",
        "kind": "a tax engine",
        "what": "Taxes from",
        "claim": "inclusive=True",
    },
    PackageKind.SHIPPING: {
        "module": "source",
        "kind": "a rate source",
        "what": "Shipping rates from",
        "claim": "most_parcels=10",
    },
}

app = show.command()


@app.command()
def new_connector(
    name: Annotated[str, typer.Argument(help="The provider, in lower case: `acmepay`.")],
    *,
    kind: Annotated[PackageKind, typer.Option(help="What the provider is asked for.")] = PackageKind.PAYMENT,
    directory: Annotated[
        Path | None, typer.Option(help="Where to write it; by default `penstock-NAME` here.", show_default=False)
    ] = None,
) -> None:
    """Write a package for a connector, a tax engine or a rate source, with the conformance kit as its tests.

    It installs as it is. What it lacks are the provider's own lines, and its tests name them one after the other.
    """
    if not _NAME.fullmatch(name):
        raise Trouble("a connector's name is 1 to 40 lower case letters, digits and underscores, a letter first")
    folder = directory or Path(f"penstock-{name.replace('_', '-')}")
    _write(folder, name, _WORDS[kind])
    out = show.console()
    out.print(f"[bold]{folder}[/] has {_WORDS[kind]['kind']} that installs. Next:\n")
    out.print(f"  cd {folder}\n  pip install -e '.\\[test]'\n  pytest\n")
    out.print("The tests say which lines of the provider's are missing; README.md says where they go.")


def _write(folder: Path, name: str, kind: Mapping[str, str]) -> None:
    words = {
        **kind,
        "name": name,
        "dashed": name.replace("_", "-"),
        "display": name.replace("_", " ").title(),
        "class_name": "".join(word.capitalize() for word in name.split("_")),
    }
    try:
        if folder.exists() and any(folder.iterdir()):
            raise Trouble(f"{folder} is not empty: choose another --directory")
        for template, place in _FILES:
            file = folder / place.format(name=name)
            lines = (_TEMPLATES / template.format(**kind)).read_text()
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(Template(lines).substitute(words))
    except OSError as exc:
        raise Trouble(f"{folder} cannot be written ({exc.strerror}): choose another --directory") from None
