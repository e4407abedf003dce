"""Create, change and remove discounts."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from penstock.checks import check_metadata, require
from penstock.discount import Discount, DiscountType, conditions_of, normal_code
from penstock.errors import Fault, NotFound, ValidationError
from penstock.ids import new_id
from penstock.ports import UnitOfWork

WHOLE: Final = 100
GONE: Final = "There is no discount with this id."


def create_discount(uow: UnitOfWork, fields: Mapping[str, Any]) -> Discount:
    """Create a discount from ``name, type, value`` and what else the wire has, in Python's names.

    Raises `ValidationError`, also where another discount of the application has the code in this environment.
    """
    own = _read(fields)
    discount = Discount(
        **{
            "id": new_id(),
            "scope": uow.scope,
            "code": None,
            "created_at": uow.now,
            "updated_at": uow.now,
            **own,
            "type": DiscountType(fields["type"]),
        }
    )
    require([*check_metadata(fields.get("metadata")), *_faults(discount)])
    discount.tell("discount.created")
    if not uow.discounts.add(discount):
        raise _code_taken(discount)
    return discount


def update_discount(uow: UnitOfWork, discount_id: str, changes: Mapping[str, Any]) -> Discount:
    """Change a discount. Carts keep the one that they have as it was when it was applied.

    Raises `NotFound`, and `ValidationError` also for a limit below the places that are taken already.
    """
    before = uow.discounts.get_for_update(discount_id)
    if before is None:
        raise NotFound(GONE)
    discount = replace(before, **_read(changes), updated_at=uow.now)
    require([*check_metadata(changes.get("metadata")), *_faults(discount), *_limit_faults(discount, changes)])
    discount.tell("discount.updated")
    if not uow.discounts.save(discount):
        raise _code_taken(discount)
    return discount


def delete_discount(uow: UnitOfWork, discount_id: str) -> None:
    """Take a discount from future use: one that was ever used is deactivated and kept, any other one is gone.

    Raises `NotFound`.
    """
    discount = uow.discounts.get_for_update(discount_id)
    if discount is None:
        raise NotFound(GONE)
    was_used = uow.discounts.was_used(discount_id)
    if was_used and not discount.is_active:
        return
    discount.is_active, discount.updated_at = False, uow.now
    discount.tell("discount.deleted")
    if was_used:
        uow.discounts.save(discount)
    else:
        uow.discounts.remove(discount)


_NAMES: Final = {"max_redemptions_per_customer": "max_per_customer"}


def _read(fields: Mapping[str, Any]) -> dict[str, Any]:
    own = {_NAMES.get(name, name): value for name, value in fields.items() if name != "type"}
    if "code" in own:
        own["code"] = normal_code(own["code"] or "") or None
    if "conditions" in own:
        own["conditions"] = conditions_of(own["conditions"] or {})
    for name in ("starts_at", "ends_at"):
        if own.get(name) is not None:
            own[name] = _moment(own[name])
    return own


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _faults(discount: Discount) -> Iterator[Fault]:
    if discount.type is DiscountType.PERCENTAGE and discount.value > WHOLE:
        yield Fault("/value", "maximum", "a percentage is at most 100", received=discount.value)
    if discount.starts_at and discount.ends_at and discount.ends_at <= discount.starts_at:
        yield Fault("/endsAt", "window_empty", "the window has to end after it begins")
    if not discount.name.strip():
        yield Fault("/name", "blank", "this must hold more than white space")


def _limit_faults(discount: Discount, changes: Mapping[str, Any]) -> Iterator[Fault]:
    limit, taken = discount.usage_limit, discount.places_taken
    if "usage_limit" in changes and limit is not None and limit < taken:
        message = f"{taken} places are taken already; deactivate the discount to stop it"
        yield Fault("/usageLimit", "below_usage", message, received=limit)


def _code_taken(discount: Discount) -> ValidationError:
    return ValidationError(Fault("/code", "taken", "another discount has this code", received=discount.code))
