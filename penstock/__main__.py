"""The ``penstock`` command, and ``python -m penstock``."""

from penstock import _roots


def main() -> None:
    """Find the rooms, then hand over to the command line."""
    _roots.enter()
    from cli.main import app  # noqa: PLC0415  the rooms can be imported from here on, and no earlier

    app()


if __name__ == "__main__":
    main()
