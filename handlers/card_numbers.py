"""Card numbers must never reach this API: whatever looks like one is refused, unlogged and unstored."""

import itertools
import re
import unicodedata
from typing import Any, Final

import orjson

from handlers.pointers import escape
from handlers.strict_json import may_hold_digits

SHORTEST: Final = 13
LONGEST: Final = 19
LONGEST_PHONE: Final = 15
# Ids of ours and calendar dates are made of digits and dashes too: they are taken out before anything is counted.
_INNOCENT: Final = re.compile(
    r"(?<![0-9A-Za-z])[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}(?![0-9A-Za-z])"
    r"|(?<![0-9A-Za-z])(?:cs|tok)_(?=[0-9_]*[A-Za-z])[0-9A-Za-z_]{20,}"
    r"|(?<![0-9-])[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9-])"
)
_RUN: Final = re.compile(r"(\+?)([0-9]+(?:[ -]{1,3}[0-9]+)*)")
_GROUP: Final = re.compile(r"[0-9]+")
# Letters in which no digit, space, dash or hidden character hides: Latin, Greek, Cyrillic, Han, Hangul.
_FOREIGN: Final = re.compile("[^\0-\x7f\u00c0-\u024f\u0370-\u04ff\u4e00-\u9fff\uac00-\ud7a3]")
_VALUES: Final = bytes(byte - 48 if 48 <= byte <= 57 else 0 for byte in range(256))  # noqa: PLR2004 -- ASCII 0 to 9
_DOUBLED: Final = bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)) + bytes(246)


def card_places(raw: bytes, document: Any) -> list[str]:
    """Return a JSON pointer to each string, key or integer of a parsed body that looks like a card number.

    A pointer stops above a key that looks like one itself, so that no number travels in a pointer.
    """
    return places_in(document) if _may_hold_card(raw, document) else []


def places_in(document: Any) -> list[str]:
    """Return what `card_places` does, by a look at each value."""
    found: list[str] = []
    queue: list[tuple[str, Any]] = [("", document)]
    while queue:
        pointer, node = queue.pop()
        if type(node) is dict:
            for key, value in node.items():
                is_card = text_holds_card(key)
                if is_card:
                    found.append(pointer)
                queue.append((pointer if is_card else f"{pointer}/{escape(key)}", value))
        elif type(node) is list:
            queue.extend((f"{pointer}/{index}", value) for index, value in enumerate(node))
        elif _is_suspect(node):
            found.append(pointer)
    return sorted(set(found))


def _may_hold_card(raw: bytes, document: Any) -> bool:
    """Look at a whole body as one text, which settles nearly every one: what is read there is in one of its values."""
    if not raw.isascii() or b"\\u" in raw:
        raw = orjson.dumps(document)
        # The digits of an escape would run on into those behind it.
        if b"\\u" in raw or _FOREIGN.search(raw.decode()):
            return True
    return may_hold_digits(raw) and text_holds_card(raw.decode())


def text_holds_card(text: str) -> bool:
    """Tell whether a text holds 13 to 19 digits that a card scheme could have issued and that pass the Luhn check.

    Spaces and dashes may stand between them.
    """
    if len(text) < SHORTEST:
        return False
    plain = _INNOCENT.sub("/", text if text.isascii() else _plain(text))
    return any(_run_is_card(match.group(1), match.group(2)) for match in _RUN.finditer(plain))


def _is_suspect(value: Any) -> bool:
    if type(value) is str:
        return text_holds_card(value)
    return type(value) is int and value >= 10 ** (SHORTEST - 1) and text_holds_card(str(value))


def _run_is_card(plus: str, run: str) -> bool:
    """Try every row of whole groups: a card number may stand beside other digits, as an expiry date does."""
    groups = [(match.start(), match.end()) for match in _GROUP.finditer(run)]
    lengths = [end - start for start, end in groups]
    total = sum(lengths)
    if total < SHORTEST or (plus and total <= LONGEST_PHONE):
        return False
    digits = "".join(run[start:end] for start, end in groups).encode().translate(_VALUES)
    return _has_card(digits, list(itertools.accumulate(lengths)), (_luhn_sums(digits, 0), _luhn_sums(digits, 1)))


def _has_card(digits: bytes, ends: list[int], sums: tuple[list[int], list[int]]) -> bool:
    """Look at every row of groups that is long enough; `nearest` only moves on, so that no text takes long."""
    nearest = start = 0
    for own_end in ends:
        while nearest < len(ends) and ends[nearest] - start < SHORTEST:
            nearest += 1
        for place in range(nearest, len(ends)):
            end = ends[place]
            if end - start > LONGEST:
                break
            sum_to_here = sums[end % 2]
            if (sum_to_here[end] - sum_to_here[start]) % 10 == 0 and _is_issued(digits[start:end]):
                return True
        start = own_end
    return False


def _is_issued(digits: bytes) -> bool:
    """Tell whether a scheme issues, or issued, numbers of this length that begin like this.

    Of long numbers in carts most are article numbers, and one in ten passes the Luhn check by chance. One of 13 digits
    that ends in its own GS1 check digit is taken for what it most likely is: a European article number.
    """
    head = int("".join(map(str, digits[:4])))
    if not any(low <= head <= high for low, high in _ISSUED.get(len(digits), _ISSUED_LONG)):
        return False
    return len(digits) != SHORTEST or (sum(digits[0::2]) + 3 * sum(digits[1::2])) % 10 != 0


# The first four digits, by length. Maestro and UnionPay have numbers of nearly any length from 16 on.
_ISSUED_LONG: Final = ((2200, 2799), (3088, 3120), (3158, 3159), (3337, 3349), (3528, 3589), (4000, 6999), (8100, 8199))
_ISSUED: Final = {
    13: ((4000, 4999),),
    14: ((3000, 3059), (3095, 3095), (3600, 3699), (3800, 3999)),
    15: ((1800, 1800), (2131, 2131), (3400, 3499), (3700, 3799)),
}


def _luhn_sums(digits: bytes, parity: int) -> list[int]:
    """Return the running Luhn sums with the digits on even or on odd places doubled; a row then costs one look."""
    weighed = bytearray(digits)
    weighed[parity::2] = digits[parity::2].translate(_DOUBLED)
    return list(itertools.accumulate(weighed, initial=0))


def _plain(text: str) -> str:
    """Write every kind of digit, space and dash in ASCII, and drop what cannot be seen."""
    return "".join(_plain_character(character) for character in text)


def _plain_character(character: str) -> str:
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    kind = unicodedata.category(character)
    if kind == "Cf":
        return ""
    return {"Zs": " ", "Pd": "-"}.get(kind, character)
