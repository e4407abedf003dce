"""What this installation can do."""

from bootstrap import House
from handlers.account_shapes import installed_out
from handlers.wire import Json
from penstock import __version__


def get_capabilities(house: House) -> Json:
    return {"version": __version__, **installed_out(house)}
