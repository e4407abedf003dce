"""Contract tests ask the whole application, in process, on both databases."""

from tests.listener import listening  # noqa: F401  it hears every test
from tests.shops import (  # noqa: F401  fixtures
    app,
    bare_shop,
    client,
    clock,
    house,
    other_shop,
    production_shop,
    shop,
    sibling_shop,
)
