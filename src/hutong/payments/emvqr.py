"""Merchant-presented QR codes of EMVCo (specification 1.1): read with every mistake named, written with their checksum.

A code is text: objects of a two-digit id, a two-digit length in characters and a value. Templates hold objects of the same shape.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

CHECKSUM = "63"
ACCOUNTS = range(2, 52)
TEMPLATES = frozenset({*range(26, 52), 62, 64, *range(80, 100)})
LONGEST = 512
"""Characters of a whole code."""

_VALUES: Mapping[str, tuple[re.Pattern[str], str]] = {
    "00": (re.compile(r"01"), "01"),
    "01": (re.compile(r"1[12]"), "11 (for many payments) or 12 (for one)"),
    "52": (re.compile(r"[0-9]{4}"), "a merchant category of 4 digits"),
    "53": (re.compile(r"[0-9]{3}"), "a currency of 3 digits, 156 for yuan"),
    "54": (re.compile(r"(?=.{1,13}$)[0-9]+(?:\.[0-9]*)?"), "an amount such as 88.88, of at most 13 characters"),
    "55": (re.compile(r"0[123]"), "01, 02 or 03"),
    "58": (re.compile(r"[A-Z]{2}"), "a country of 2 capital letters"),
    "59": (re.compile(r".{1,25}", re.DOTALL), "a name of 1 to 25 characters"),
    "60": (re.compile(r".{1,15}", re.DOTALL), "a city of 1 to 15 characters"),
    "61": (re.compile(r".{1,10}", re.DOTALL), "a postal code of 1 to 10 characters"),
}
_NAMES = {"59", "60", "61"}
_NEEDED = {"52": "merchant category", "53": "currency", "58": "country", "59": "merchant name", "60": "merchant city"}


class BadQr(ValueError):
    """It is not a merchant's QR code, or a damaged one; the message says what is wrong and where."""


def checksum(text: str) -> str:
    """CRC-16 (polynomial 1021, from FFFF, nothing reflected or inverted) over the UTF-8 bytes, in 4 capital hex digits."""
    crc = 0xFFFF
    for byte in text.encode():
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return f"{crc:04X}"


@dataclass(frozen=True, slots=True)
class MerchantQr:
    """What a code holds, in its order: ids and values, without the checksum. The named readings are of those."""

    objects: tuple[tuple[str, str], ...]

    def value(self, id: str) -> str:
        """The value of an object; empty if there is none."""
        return next((value for each, value in self.objects if each == id), "")

    def template(self, id: str) -> dict[str, str]:
        """The objects inside a template such as 62 (bill, store, terminal …) or 64 (name in another language). Raises BadQr."""
        return dict(_objects(self.value(id), f"template {id}"))

    @property
    def accounts(self) -> dict[str, str]:
        """Where the money may go: by id (15 and 16 are UnionPay's, 26 to 51 templates that name their scheme in 00)."""
        return {key: value for key, value in self.objects if int(key) in ACCOUNTS}

    @property
    def is_dynamic(self) -> bool:
        """Made for one payment, not for many."""
        return self.value("01") == "12"

    @property
    def amount(self) -> int | None:
        """In hundredths of the currency; None if the payer types it."""
        whole, _, part = self.value("54").partition(".")
        return int(whole) * 100 + int(part[:2].ljust(2, "0")) if whole else None

    @property
    def currency(self) -> str:
        """Numeric (ISO 4217): 156 is the yuan."""
        return self.value("53")

    @property
    def name(self) -> str:
        """The merchant's."""
        return self.value("59")

    @property
    def city(self) -> str:
        """The merchant's."""
        return self.value("60")


def decode(text: str) -> MerchantQr:
    """Read a code. Raises BadQr: damaged (length, checksum), not of this kind, or without something that each code must have.

    Names, cities and postal codes that are too long are let pass: such codes hang in shops, and nothing depends on it.
    """
    if not text.startswith("0002"):
        raise BadQr("this is no merchant's payment code: one begins with 000201")
    if len(text) > LONGEST:
        raise BadQr(f"the code has {len(text)} characters; at most {LONGEST} are allowed")
    objects = _objects(text, "the code")
    last, found = objects[-1]
    if last != CHECKSUM or len(found) != 4:
        raise BadQr("the code does not end with its checksum (6304 and 4 characters): it was cut off, or something was added")
    expected = checksum(text[:-4])
    if found.upper() != expected:
        raise BadQr(f"the checksum is {found}, but the content gives {expected}: the code was misread or changed")
    return _checked(MerchantQr(objects[:-1]), long_names=True)


def encode(qr: MerchantQr) -> str:
    """Write a code, with its checksum. Raises BadQr if a value cannot stand where it is."""
    body = "".join(_written(key, value) for key, value in _checked(qr, long_names=False).objects) + f"{CHECKSUM}04"
    if len(body) + 4 > LONGEST:
        raise BadQr(f"the code would have {len(body) + 4} characters; at most {LONGEST} are allowed")
    return body + checksum(body)


def make(
    *,
    accounts: Mapping[str, str | Mapping[str, str]],
    category: str,
    name: str,
    city: str,
    country: str = "CN",
    currency: str = "156",
    amount: int | None = None,
    additional: Mapping[str, str] | None = None,
    language: Mapping[str, str] | None = None,
) -> MerchantQr:
    """Put a code together, in the order of ids. ``amount`` in hundredths makes it a code for one payment.

    ``accounts`` are ids from 02 to 51 with a text or, from 26, a template; ``additional`` is template 62, ``language`` 64. Raises
    BadQr.
    """
    values = {
        "00": "01",
        "01": "11" if amount is None else "12",
        **{key: each if isinstance(each, str) else template(each) for key, each in accounts.items()},
        "52": category,
        "53": currency,
        "54": "" if amount is None else f"{amount // 100}.{amount % 100:02d}",
        "58": country,
        "59": name,
        "60": city,
        "62": template(additional or {}),
        "64": template(language or {}),
    }
    return _checked(MerchantQr(tuple((key, value) for key, value in sorted(values.items()) if value)), long_names=False)


def template(values: Mapping[str, str]) -> str:
    """Objects written as the value of a template, in the order of ids. Raises BadQr."""
    return "".join(_written(key, value) for key, value in sorted(values.items()))


def _objects(text: str, place: str) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        key, length = text[at : at + 2], text[at + 2 : at + 4]
        if not (_is_two_digits(key) and _is_two_digits(length)):
            raise BadQr(f"at character {at + 1} of {place} an id and a length of two digits each must stand, not {text[at : at + 4]!r}")
        value = text[at + 4 : at + 4 + int(length)]
        if len(value) < int(length):
            raise BadQr(f"object {key} of {place} says {int(length)} characters, but only {len(value)} follow: the code was cut off")
        if any(key == each for each, _ in found):
            raise BadQr(f"object {key} of {place} comes twice")
        found.append((key, value))
        at += 4 + int(length)
    return tuple(found)


def _is_two_digits(text: str) -> bool:
    return len(text) == 2 and text.isascii() and text.isdigit()


def _written(id: str, value: str) -> str:
    if not _is_two_digits(id):
        raise BadQr(f"an id has two digits, not {id!r}")
    if not 1 <= len(value) <= 99:
        raise BadQr(f"the value of object {id} has {len(value)} characters; 1 to 99 can be written")
    return f"{id}{len(value):02d}{value}"


def _checked(qr: MerchantQr, *, long_names: bool) -> MerchantQr:
    keys = [key for key, _ in qr.objects]
    if keys[:1] != ["00"]:
        raise BadQr("the first object must be 00 with the value 01")
    if not all(map(_is_two_digits, keys)) or len(set(keys)) < len(keys) or CHECKSUM in keys:
        raise BadQr("an id is not one, or comes twice")
    if not qr.accounts:
        raise BadQr("no account (objects 02 to 51) says where the money goes")
    for key, what in _NEEDED.items():
        if key not in keys:
            raise BadQr(f"the {what} (object {key}) is missing")
    for key, value in qr.objects:
        pattern, wanted = _VALUES.get(key, (None, ""))
        if pattern is not None and not pattern.fullmatch(value) and not (long_names and value and key in _NAMES):
            raise BadQr(f"object {key} is {value!r}; it must be {wanted}")
        if int(key) in TEMPLATES:
            _objects(value, f"template {key}")
    return qr
