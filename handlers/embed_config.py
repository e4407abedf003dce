"""How the checkout is embedded."""

from handlers.wire import Json, embed_config_out, snake_in
from penstock.caller import Caller
from penstock.flows.set_embed import set_embed
from penstock.ports import UnitOfWork


def get_embed_config(uow: UnitOfWork) -> Json:
    return embed_config_out(uow.embed_configs.get())


def replace_embed_config(uow: UnitOfWork, caller: Caller, body: Json) -> Json:
    return embed_config_out(set_embed(uow, caller, snake_in(body)))
