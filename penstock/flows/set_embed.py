"""Set how the checkout may be embedded and what it looks like."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from penstock.caller import Caller
from penstock.cart import ABANDON
from penstock.checks import DEFAULT_PORTS, require
from penstock.errors import Fault
from penstock.ports import UnitOfWork
from penstock.tenant import CART_PLACEHOLDER, EmbedConfig


def set_embed(uow: UnitOfWork, caller: Caller, changes: Mapping[str, Any]) -> EmbedConfig:
    """Change the fields that are given; None clears one, and one that is left out stays as it was.

    Raises `ValidationError` for http origins or addresses in production, a port that does not exist or that no browser
    names, and a recovery template whose host is neither the storefront's nor an allowed origin's.
    """
    given: dict[str, Any] = dict(changes)
    before = uow.embed_configs.get()
    config = replace(before, **given)
    require([*_origin_faults(config, caller), *_template_faults(config)])
    uow.embed_configs.put(config)
    if config.idle < before.idle:
        uow.due.hurry(ABANDON, uow.now)  # carts wait by the former threshold: let each be looked at again
    return config


def _origin_faults(config: EmbedConfig, caller: Caller) -> Iterator[Fault]:
    for index, origin in enumerate(config.allowed_origins):
        yield from _address_faults(origin, f"/allowedOrigins/{index}", caller)
        named = _origin(origin)
        if named is not None and named[2] == DEFAULT_PORTS[named[0]]:
            message = "no browser names the default port: leave it out"
            yield Fault(f"/allowedOrigins/{index}", "default_port", message)
    yield from _address_faults(config.logo_url, "/logoUrl", caller)
    yield from _address_faults(config.storefront_base_url, "/storefrontBaseUrl", caller)


def _address_faults(url: str | None, pointer: str, caller: Caller) -> Iterator[Fault]:
    if url is None:
        return
    if caller.is_production and not url.startswith("https://"):
        yield Fault(pointer, "https_required", "production needs https")
    elif _origin(url) is None:
        yield Fault(pointer, "invalid_url", "the host or port does not exist")


def _template_faults(config: EmbedConfig) -> Iterator[Fault]:
    template = config.cart_recovery_url_template
    if template is None:
        return
    rest = template.replace(CART_PLACEHOLDER, "", 1)
    if rest == template or "{" in rest or "}" in rest:
        message = f"it has to hold {CART_PLACEHOLDER} exactly once, and no other braces"
        yield Fault("/cartRecoveryUrlTemplate", "placeholder", message)
    own = {_origin(url) for url in (config.storefront_base_url, *config.allowed_origins) if url}
    if _origin(template) is None or _origin(template) not in own:
        message = "its host has to be that of storefrontBaseUrl or of an allowed origin"
        yield Fault("/cartRecoveryUrlTemplate", "origin_not_allowed", message)


def _origin(url: str) -> tuple[str, str, int | None] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None
