"""Exact numbers and the names of things.

Money is integer minor units (kopecks), a weight is integer basis points (hundredths of a percent),
a value is their product in 1/10 000 of a kopeck. Text appears only at the edges, where an amount is
a decimal string; nothing here is ever a binary fraction.
"""

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache
from hashlib import sha1
from typing import Annotated, NewType
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

DealId = NewType("DealId", UUID)
ActionId = NewType("ActionId", UUID)
TeamId = NewType("TeamId", UUID)
AccountId = NewType("AccountId", UUID)
KeyId = NewType("KeyId", UUID)
TargetId = NewType("TargetId", UUID)
ManagerId = NewType("ManagerId", str)
"""A slug or a UUID as text: people may arrive with an id of their own (design, section 6)."""
ActionTypeCode = NewType("ActionTypeCode", str)

WHOLE = 10_000
"""100 % in basis points: no deal and no weight goes above it."""
MOST_MINOR_UNITS = 10**14
"""A trillion roubles: with WHOLE still inside 64 bits, and no deal comes near it."""
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2100, 12, 31)
"""Dates outside are slips of the keyboard; both days are inclusive."""

_NAMESPACE = UUID("6f0d2f86-0f0a-5d3e-9c34-5d6a1d8b7a10").bytes


def stream_of(kind: str, name: str) -> UUID:
    """The stream of a thing that people know by a name and not by a UUID; for ever the same."""
    hashed = sha1(_NAMESPACE + f"{kind}/{name}".encode(), usedforsecurity=False)
    return UUID(bytes=hashed.digest()[:16], version=5)


class Account(StrEnum):
    """Where value stands."""

    __hash__ = str.__hash__  # an Enum's own is Python code, and each of these is a key all the time

    ACTIVE = "active"
    CLAIMED = "claimed"
    SUSPENDED = "suspended"
    LOST = "lost"
    WON = "won"


class Role(StrEnum):
    """What an account is there for (design, section 7)."""

    __hash__ = str.__hash__  # as above

    MANAGER = "manager"
    HEAD = "head"
    DIRECTOR = "director"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Measure(StrEnum):
    """What a target is a figure of: the portfolio at the end of its last day, what the portfolio
    gains by effort over its days, or the positive actions dated in them.
    """

    PORTFOLIO = "portfolio"
    GAINED = "gained"
    ACTIONS = "actions"


class SignInMeans(StrEnum):
    """By what a person signs in."""

    PASSWORD = "password"  # noqa: S105 - the word
    IDENTITY = "identity"  # somebody whom the issuer of OpenID Connect knows
    EMAIL = "email"  # an address; who the issuer says has it may be linked by it, once


def split(whole: int, shares: Sequence[int]) -> list[int]:
    """`whole` (>= 0) in integer parts proportional to `shares` (each >= 0, not all zero).

    Largest remainder: every part is floored, what is left goes out one by one by descending
    remainder, ties to the earlier share (design, section 4). A part never exceeds its share
    while `whole` is at most the sum of the shares.
    """
    if len(shares) == 1:
        return [whole]
    total = sum(shares)
    parts = [whole * share // total for share in shares]
    left = whole - sum(parts)
    if left:
        by_remainder = sorted(range(len(shares)), key=lambda i: -(whole * shares[i] % total))
        for i in by_remainder[:left]:
            parts[i] += 1
    return parts


_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,2})?", re.ASCII)


def hundredths(given: object) -> int:
    """A decimal with at most two places as an integer count of hundredths.

    Text in plain notation ("5", "-3.5", "400000000.00"), or a number whose decimal form is exact.
    Raises ValueError for everything else, so that nothing is ever rounded.
    """
    if (isinstance(given, str) and _DECIMAL.fullmatch(given)) or (
        isinstance(given, int | Decimal) and not isinstance(given, bool)
    ):
        number = Decimal(given)
    else:
        raise ValueError(given)
    if not number.is_finite() or number.adjusted() > 18:
        raise ValueError(given)
    try:
        cents = number.scaleb(2)
        exact = int(cents)
    except (InvalidOperation, ValueError) as error:
        raise ValueError(given) from error
    if cents != exact:
        raise ValueError(given)
    return exact


def decimal_text(hundredths_: int) -> str:
    """`500` as "5.00": a weight in percent, or money in major units."""
    if hundredths_ >= 100:  # nearly all; by their digits it takes half the time
        text = str(hundredths_)
        return f"{text[:-2]}.{text[-2:]}"
    sign, digits = ("-", -hundredths_) if hundredths_ < 0 else ("", hundredths_)
    return f"{sign}{digits // 100}.{digits % 100:02d}"


ZERO_TEXT = "0.00"
"""Of either kind."""


def value_text(value: int) -> str:
    """A value (1/10 000 of a kopeck) in roubles: two decimals, up to six where they are needed."""
    if value == 0:
        return ZERO_TEXT  # most values of most portfolios
    if value >= 1_000_000:  # likewise
        text = str(value)
        return f"{text[:-6]}.{text[-6:-4]}{text[-4:].rstrip('0')}"
    sign, digits = ("-", -value) if value < 0 else ("", value)
    text = f"{digits // 1_000_000}.{digits % 1_000_000:06d}"
    return sign + text[:-4] + text[-4:].rstrip("0")


def _stored(given: object) -> object:
    """What `decimal_text` wrote, and nothing else; read for every event, so without a Decimal."""
    return _read(given) if isinstance(given, str) else given


@lru_cache(maxsize=1_000)  # most weights are the few of the catalogue
def _read(text: str) -> int:
    value = int(text[:-3] + text[-2:])
    if decimal_text(value) != text:
        raise ValueError(text)
    return value


Weight = Annotated[
    int,
    Field(strict=True, ge=-WHOLE, le=WHOLE),
    BeforeValidator(_stored),
    PlainSerializer(decimal_text, when_used="json"),
]
"""Basis points inside, "5.00" in the log."""

MinorUnits = Annotated[
    int,
    Field(strict=True, ge=0, le=MOST_MINOR_UNITS),
    BeforeValidator(_stored),
    PlainSerializer(decimal_text, when_used="json"),
]
"""Kopecks inside, "400000000.00" in the log."""


class Money(BaseModel):
    """A sum in one currency (ISO 4217)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: MinorUnits
    currency: str


CURRENCIES = frozenset(
    [
        "AED",
        "AFN",
        "ALL",
        "AMD",
        "AOA",
        "ARS",
        "AUD",
        "AWG",
        "AZN",
        "BAM",
        "BBD",
        "BDT",
        "BGN",
        "BHD",
        "BIF",
        "BMD",
        "BND",
        "BOB",
        "BRL",
        "BSD",
        "BTN",
        "BWP",
        "BYN",
        "BZD",
        "CAD",
        "CDF",
        "CHF",
        "CLP",
        "CNY",
        "COP",
        "CRC",
        "CUP",
        "CVE",
        "CZK",
        "DJF",
        "DKK",
        "DOP",
        "DZD",
        "EGP",
        "ERN",
        "ETB",
        "EUR",
        "FJD",
        "FKP",
        "GBP",
        "GEL",
        "GHS",
        "GIP",
        "GMD",
        "GNF",
        "GTQ",
        "GYD",
        "HKD",
        "HNL",
        "HTG",
        "HUF",
        "IDR",
        "ILS",
        "INR",
        "IQD",
        "IRR",
        "ISK",
        "JMD",
        "JOD",
        "JPY",
        "KES",
        "KGS",
        "KHR",
        "KMF",
        "KPW",
        "KRW",
        "KWD",
        "KYD",
        "KZT",
        "LAK",
        "LBP",
        "LKR",
        "LRD",
        "LSL",
        "LYD",
        "MAD",
        "MDL",
        "MGA",
        "MKD",
        "MMK",
        "MNT",
        "MOP",
        "MRU",
        "MUR",
        "MVR",
        "MWK",
        "MXN",
        "MYR",
        "MZN",
        "NAD",
        "NGN",
        "NIO",
        "NOK",
        "NPR",
        "NZD",
        "OMR",
        "PAB",
        "PEN",
        "PGK",
        "PHP",
        "PKR",
        "PLN",
        "PYG",
        "QAR",
        "RON",
        "RSD",
        "RUB",
        "RWF",
        "SAR",
        "SBD",
        "SCR",
        "SDG",
        "SEK",
        "SGD",
        "SHP",
        "SLE",
        "SOS",
        "SRD",
        "SSP",
        "STN",
        "SVC",
        "SYP",
        "SZL",
        "THB",
        "TJS",
        "TMT",
        "TND",
        "TOP",
        "TRY",
        "TTD",
        "TWD",
        "TZS",
        "UAH",
        "UGX",
        "USD",
        "UYU",
        "UZS",
        "VED",
        "VES",
        "VND",
        "VUV",
        "WST",
        "XAF",
        "XCD",
        "XCG",
        "XOF",
        "XPF",
        "YER",
        "ZAR",
        "ZMW",
        "ZWG",
    ]
)
"""Currencies in circulation (ISO 4217, list one, without funds, metals and test codes)."""
