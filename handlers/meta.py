"""What this installation can do."""

from bootstrap import House
from handlers.account_shapes import connector_out
from handlers.wire import Json
from penstock import __version__


def get_capabilities(house: House) -> Json:
    connectors = [house.accounts.get(name) for name in house.accounts.names()]
    return {"version": __version__, "connectors": [connector_out(cls) for cls in connectors if cls is not None]}
