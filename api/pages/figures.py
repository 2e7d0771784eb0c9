"""Figures and dates as they are written for people, in Russian and English.

Amounts come as the decimal text of an answer and stay exact: they are never floats. Rules of the
hand: real minus, a plus on every gain, no-break spaces, three significant digits in a headline,
millions with one decimal in a table.
"""

import re
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache, lru_cache

from babel.dates import format_date, format_datetime, format_skeleton
from babel.numbers import get_currency_symbol, get_decimal_symbol, get_group_symbol

from api.words import Language

_SCALES = ((9, ("млрд", "bn")), (6, ("млн", "m")), (3, ("тыс.", "k")))
_TENTH = Decimal("0.1")
DAYS = 4_000
"""That are remembered as they are written."""
SPACE = "\N{NO-BREAK SPACE}"
_DAY = re.compile(r"\b\d{4}-\d\d-\d\d\b")


def compact(amount: str, currency: str, language: Language, *, signed: bool = False) -> str:
    """9888295999.40 as «9,89 млрд ₽»: three significant digits."""
    value = Decimal(amount)
    size = abs(value)
    for power, names in _SCALES:
        if size >= Decimal(10) ** power:
            scaled, unit = value.scaleb(-power), names[language == "en"]
            break
    else:
        scaled, unit = value, ""
    places = max(0, 2 - max(scaled.adjusted(), 0)) if scaled else 0
    rounded = scaled.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
    text = _written(rounded.normalize(), 0, language, signed=signed)
    return SPACE.join(part for part in (text, unit, symbol(currency, language)) if part)


def millions(amount: str, language: Language, *, signed: bool = False) -> str:
    """In millions with one decimal; nothing at all is 0."""
    value = Decimal(amount)
    if not value:
        return "0"
    return _written(value.scaleb(-6).quantize(_TENTH, ROUND_HALF_EVEN), 1, language, signed=signed)


def exact(amount: str, currency: str, language: Language, *, signed: bool = False) -> str:
    """To the last digit there is: kopecks, or hundredths of them."""
    text = _written(Decimal(amount), 2, language, signed=signed)
    return f"{text}{SPACE}{symbol(currency, language)}"


def percent(text: str, language: Language, *, signed: bool = False) -> str:
    """Weights and progress: always two decimals; without the sign of percent."""
    return _written(Decimal(text), 2, language, signed=signed)


def one_decimal(text: str, language: Language) -> str:
    """With its sign."""
    return _written(Decimal(text), 1, language, signed=True)


def count(number: int, language: Language) -> str:
    return _written(Decimal(number), 0, language)


def on_axis(text: str, language: Language) -> str:
    """With the decimals that it has."""
    return _written(Decimal(text), 0, language)


@cache
def symbol(currency: str, language: Language) -> str:
    return get_currency_symbol(currency, locale=language)


def _written(value: Decimal, places: int, language: Language, *, signed: bool = False) -> str:
    """With so many decimals, or as many as it has if these are more. Written by hand with Babel's
    signs: its own way takes fifty times as long, and a page has thousands of figures.
    """
    point, comma = _signs(language)
    whole, _, part = f"{abs(value):,f}".partition(".")
    part = part.ljust(places, "0")
    sign = "\N{MINUS SIGN}" if value < 0 else "+" if signed and value > 0 else ""
    return f"{sign}{whole.replace(',', comma)}{point + part if part else ''}"


@cache
def _signs(language: Language) -> tuple[str, str]:
    """Before decimals, and between thousands."""
    point, comma = get_decimal_symbol(language), get_group_symbol(language)
    return point, comma.replace("\N{NARROW NO-BREAK SPACE}", SPACE)


@lru_cache(DAYS)
def long_date(day: date, language: Language) -> str:
    """As «23 ноября 2026 г.»."""
    return format_date(day, "long", locale=language).replace(" ", SPACE)


def days_in(sentence: str, language: Language) -> str:
    """The sentence with its days as people write them, where programs read 2026-11-23."""

    def written(found: re.Match[str]) -> str:
        try:
            return long_date(date.fromisoformat(found[0]), language)
        except ValueError:  # no day at all
            return found[0]

    return _DAY.sub(written, sentence)


@lru_cache(DAYS)
def short_date(day: date, language: Language, today: date) -> str:
    """«23 нояб.»; with the year where it is not this one."""
    skeleton = "MMMd" if day.year == today.year else "yMMMd"
    return format_skeleton(skeleton, day, locale=language).replace(" ", SPACE)


def moment(instant: datetime, language: Language) -> str:
    """As «23 ноября 2026 г., 11:42»."""
    time = format_datetime(instant, "HH:mm", locale=language)
    return f"{long_date(instant.date(), language)}, {time}"


def month_name(day: date, language: Language) -> str:
    return format_date(day, "LLL", locale=language)


def month_and_year(day: date, language: Language) -> str:
    """As «сентябрь 2026»."""
    return format_date(day, "LLLL y", locale=language)
