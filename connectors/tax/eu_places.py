"""Which places of the EU's members are taxed otherwise than the member itself.

Source: Council Directive 2006/112/EC, articles 6 and 7 (territories outside the common system of VAT, and places that
count as another's), and the list of territories of the European Commission, "Territorial status of EU countries and
certain territories". Territories with a country code of their own (Åland, French Guiana, Monaco …) are told by it.
"""

import re
from typing import Final, Literal

Standing = Literal["member", "outside", "special"]
"""``member``: taxed like the rest. ``outside``: no VAT. ``special``: other rates, which the data do not hold."""

_RULES: Final[tuple[tuple[str, str, Standing], ...]] = (
    ("AT", r"6691|699[1-3]", "special"),  # Jungholz and Mittelberg
    ("DE", r"27498|78266", "outside"),  # Heligoland and Büsingen
    ("ES", r"(35|38|51|52)\d{3}", "outside"),  # the Canary Islands, Ceuta and Melilla
    ("FR", r"97[1-8]\d{2}|98[4-8]\d{2}", "outside"),  # written with France's code, as many shops do
    ("GR", r"630\d{2}", "outside"),  # Mount Athos, and the villages that share its code
    ("IT", r"22061|23041", "outside"),  # Campione and Livigno
    ("PT", r"9\d{3}(-?\d{3})?", "special"),  # Madeira and the Azores
)
_PLACES: Final = tuple((country, re.compile(pattern), standing) for country, pattern, standing in _RULES)

NORTHERN_IRELAND: Final = re.compile(r"BT\d", re.IGNORECASE)
"""The beginning of a Northern Irish postal code: for goods it is inside the EU's VAT area, and taxed by the United Kingdom."""


def standing_of(country: str, postal_code: str) -> Standing:
    """Return how a place in a member state is taxed; without a postal code, like the rest of the member."""
    code = postal_code.replace(" ", "")
    return next((found for where, shape, found in _PLACES if where == country and shape.fullmatch(code)), "member")
