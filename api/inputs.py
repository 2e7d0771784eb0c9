"""What may come in: typed fields, and a JSON reader that lets nothing ambiguous through.

The defaults of the framework take `false` for 0, NaN for a number and the second of two equal keys.
Each of them could put a figure into the books that nobody meant; here they are refused.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, LiteralString, NoReturn
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from domain.periods import Month
from domain.values import CURRENCIES, FIRST_DAY, LAST_DAY, MOST_MINOR_UNITS, WHOLE, hundredths

MOST_BYTES = 65_536
"""Of a body; more is refused before it is read."""
MOST_PER_PAGE = 1_000
_MOST_DIGITS = 40


class Flaw(StrEnum):
    """What is wrong with a text that should be JSON; in words: `api.words.FLAWS`."""

    EMPTY = "empty"
    NOT_UTF_8 = "not-utf-8"
    SYNTAX = "syntax"
    TOO_DEEP = "too-deep"
    KEY_TWICE = "key-twice"
    NO_NUMBER = "no-number"
    LONG_NUMBER = "long-number"


class MalformedJson(ValueError):
    """Not JSON, or JSON that two readers could understand differently."""

    def __init__(self, flaw: Flaw, **place: int) -> None:
        super().__init__(flaw)
        self.flaw = flaw
        self.place: dict[str, Any] = dict(place)


def read_json(body: bytes) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Numbers come out exact: int or Decimal. Raises MalformedJson for everything but plain UTF-8
    JSON: NaN and Infinity, keys given twice, numbers of absurd length, nesting without end.
    """
    if not body:
        raise MalformedJson(Flaw.EMPTY)
    try:
        return _READER.decode(body.decode("utf-8"))
    except RecursionError as error:
        raise MalformedJson(Flaw.TOO_DEEP) from error
    except UnicodeDecodeError as error:
        raise MalformedJson(Flaw.NOT_UTF_8) from error
    except json.JSONDecodeError as error:
        raise MalformedJson(Flaw.SYNTAX, line=error.lineno, column=error.colno) from error


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MalformedJson(Flaw.KEY_TWICE)
    return result


def _number(text: str) -> Decimal:
    if len(text) > _MOST_DIGITS:
        raise MalformedJson(Flaw.LONG_NUMBER)
    try:
        return Decimal(text)
    except ArithmeticError:  # an exponent beyond all bounds: JSON, but no figure of ours
        return Decimal("NaN")


def _integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise MalformedJson(Flaw.LONG_NUMBER)
    return int(text)


def _refuse(_constant: str) -> NoReturn:
    raise MalformedJson(Flaw.NO_NUMBER)


_READER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_float=_number,
    parse_int=_integer,
    parse_constant=_refuse,
)


class Body(BaseModel):
    """Unknown fields are refused, and nothing is taken for what it is not."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def example(*, one_of: Sequence[JsonValue] = (), **fields: JsonValue) -> ConfigDict:
    """For the documentation of a body: what it looks like, and of which shapes it must have one."""
    shapes: dict[str, JsonValue] = {"anyOf": [*one_of]} if one_of else {}
    return ConfigDict(json_schema_extra={"example": fields, **shapes})


def _weight(given: object) -> int:
    try:
        weight = hundredths(given)
    except ValueError:
        raise PydanticCustomError("weight", "not a weight") from None
    if weight == 0 or abs(weight) > WHOLE:
        raise PydanticCustomError("weight", "not a weight")
    return weight


def _amount(given: object) -> int:
    try:
        amount = hundredths(given)
    except ValueError:
        raise PydanticCustomError("amount", "not an amount") from None
    if not 0 < amount <= MOST_MINOR_UNITS:
        raise PydanticCustomError("amount", "not an amount")
    return amount


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?)"
    r"([Zz]|[-+ ][0-9]{2}:[0-9]{2})",
    re.ASCII,
)


def _date(given: object) -> date:
    day = _from_the_first_day(given)
    if day is None or day > LAST_DAY:
        raise PydanticCustomError("day", "not a date")
    return day


def _business_date(given: object) -> date:
    day = _from_the_first_day(given)
    if day is None:
        raise PydanticCustomError("business-date", "not a date")
    return day


def _from_the_first_day(given: object) -> date | None:
    day = _day_of(given) if isinstance(given, str) else given
    return day if isinstance(day, date) and day >= FIRST_DAY else None


@lru_cache(maxsize=1_000)  # what is entered together is mostly of a few days
def _day_of(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def _known_at(given: object) -> date | datetime:
    """A date, or an RFC 3339 instant; a plus that a form turned into a space is read as a plus.

    What is finer than a microsecond is cut off: nothing in the log was recorded in between.
    """
    found = _INSTANT.fullmatch(given) if isinstance(given, str) else None
    known = _from_the_first_day(given) if found is None else _instant_of(found[1], found[2])
    if known is None:
        raise PydanticCustomError("instant", "not an instant")
    return known


def _instant_of(time: str, offset: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(time.upper() + offset.replace(" ", "+").upper())
    except ValueError:
        return None
    return None if _from_the_first_day(instant.date()) is None else instant


def _instant(given: object) -> datetime:
    instant = _known_at(given)
    if isinstance(instant, datetime) and instant.date() <= LAST_DAY:
        return instant
    raise PydanticCustomError("instant", "not an instant")


_EMAIL = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)*", re.ASCII | re.IGNORECASE
)


def is_email(given: object) -> bool:
    """By the HTML standard's pattern (4.10.5.1.5). In ASCII alone: beyond it, letters that look the
    same are not, and others become the same without case, so that one's address would be another's.
    """
    return isinstance(given, str) and len(given) <= 254 and bool(_EMAIL.fullmatch(given))


def _email(given: object) -> str:
    if isinstance(given, str) and is_email(given):
        return given
    raise PydanticCustomError("email", "not an e-mail address")


_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Cs", "Zl", "Zp"})
"""Categories of Unicode: controls, marks that turn text about, nothing, separators of lines."""
_VISIBLE = frozenset("\n\t\u200c\u200d")
"""Lines and tabs; and the joiners, without which Persian words and some emoji fall apart."""


_FILLERS = "\u115f\u1160\u200c\u200d\u2800\u3164\uffa0"
"""Joiners and fillers: a text of them and of spaces cannot be seen."""
_BLANKS = _FILLERS + "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
"""No space has a greater code (U+3000)."""


def _legible(text: str) -> str:
    """No characters that cannot be seen or that make text read otherwise than it is stored."""
    if not text.isprintable():  # else nothing of it is in those categories
        for character in text:
            if unicodedata.category(character) in _INVISIBLE and character not in _VISIBLE:
                raise PydanticCustomError("illegible", "an unprintable character")
    if not text.strip(_BLANKS):
        raise PydanticCustomError("blank", "blank")
    return text


def _one_line(text: str) -> str:
    if "\n" in text or "\t" in text:
        raise PydanticCustomError("illegible", "an unprintable character")
    return text


def _currency(code: str) -> str:
    if code not in CURRENCIES:
        raise PydanticCustomError("currency", "not a currency")
    return code


def _uuid(given: object) -> UUID:
    if isinstance(given, UUID):
        return given
    if isinstance(given, str) and (read := _uuid_of(given)):
        return read
    raise PydanticCustomError("uuid", "not a UUID")


@lru_cache(maxsize=10_000)  # who works on a deal names it again and again
def _uuid_of(text: str) -> UUID | None:
    return UUID(text) if _UUID.fullmatch(text) else None


def _month(given: object) -> str:
    try:
        if isinstance(given, str) and len(given) == 7:
            month = Month.parse(given)
            if str(month) == given and FIRST_DAY <= month.last_day <= LAST_DAY:
                return given
    except ValueError:
        pass
    raise PydanticCustomError("month", "not a month")


def _position(given: object) -> int:
    number = _digits(given)
    if number is None:
        raise PydanticCustomError("position", "not a position")
    return number


def _digits(given: object) -> int | None:
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) <= 18:
        return int(given)
    return None


def _days(least: int, most: int) -> tuple[PlainValidator, WithJsonSchema]:
    return _whole("days", least, most)


def _whole(of: LiteralString, least: int, most: int) -> tuple[PlainValidator, WithJsonSchema]:
    """A number of what `api.words.FIELDS` names so."""

    def whole(given: object) -> int:
        number = _digits(given)
        if number is None or not least <= number <= most:
            raise PydanticCustomError(of, "not such a number", {"least": least, "most": most})
        return number

    schema: dict[str, JsonValue] = {"type": "integer", "minimum": least, "maximum": most}
    return PlainValidator(whole), WithJsonSchema(schema)


def _text_schema(pattern: str, example: str, **more: JsonValue) -> dict[str, JsonValue]:
    return {"type": "string", "pattern": f"^{pattern}$", "examples": [example], **more}


def _decimal_schema(text: dict[str, JsonValue], **bounds: JsonValue) -> WithJsonSchema:
    """Text, or a number whose decimal form is exact."""
    number = {"type": "number", "multipleOf": 0.01, **bounds}
    return WithJsonSchema({"anyOf": [text, number], "examples": text["examples"]})


_CENTS = r"(\.[0-9]{1,2})?"
_BELOW_ONE = r"0{1,18}\.(0[1-9]|[1-9][0-9]?)"
_MONTH = r"(20[0-9]{2}|2100)-(0[1-9]|1[0-2])"
_DAY = rf"{_MONTH}-(0[1-9]|[12][0-9]|3[01])"
_BUSINESS_DATE = r"[2-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = r"[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
_OFFSET = r"([Zz]|[-+]([01][0-9]|2[0-3]):[0-5][0-9])"

Weight = Annotated[
    int,
    PlainValidator(_weight),
    _decimal_schema(
        _text_schema(rf"-?(0{{0,15}}(100(\.00?)?|[1-9][0-9]?{_CENTS})|{_BELOW_ONE})", "5.00"),
        minimum=-100,
        maximum=100,
        **{"not": {"const": 0}},
    ),
]
"""Percent with two decimals at most, from -100 to 100 and not 0; basis points inside."""
Amount = Annotated[
    int,
    PlainValidator(_amount),
    _decimal_schema(
        _text_schema(
            rf"(0{{0,5}}10{{12}}(\.00?)?|0{{0,6}}[1-9][0-9]{{0,11}}{_CENTS}|{_BELOW_ONE})",
            "400000000.00",
        ),
        exclusiveMinimum=0,
        maximum=MOST_MINOR_UNITS // 100,
    ),
]
"""Major units with two decimals at most, above 0; minor units inside."""
Day = Annotated[
    date,
    PlainValidator(_date),
    WithJsonSchema(_text_schema(_DAY, "2026-06-30", format="date")),
]
"""From 2000 to 2100: it may lie in the future."""
_BUSINESS_DATE_SCHEMA = _text_schema(_BUSINESS_DATE, "2026-06-30", format="date")
BusinessDate = Annotated[
    date, PlainValidator(_business_date), WithJsonSchema(_BUSINESS_DATE_SCHEMA)
]
"""From 2000 on. However far ahead it lies, it is refused as the future (design, section 3)."""
_INSTANT_SCHEMA = _text_schema(
    f"{_BUSINESS_DATE}{_TIME}{_OFFSET}", "2026-07-01T09:00:00+03:00", format="date-time"
)
KnownAt = Annotated[
    date | datetime,
    PlainValidator(_known_at),
    WithJsonSchema({"anyOf": [_BUSINESS_DATE_SCHEMA, _INSTANT_SCHEMA]}),
]
"""An RFC 3339 instant, or a date meaning the end of that business day."""
Instant = Annotated[datetime, PlainValidator(_instant), WithJsonSchema(_INSTANT_SCHEMA)]
Id = Annotated[UUID, PlainValidator(_uuid), WithJsonSchema({"type": "string", "format": "uuid"})]
MonthName = Annotated[str, PlainValidator(_month), WithJsonSchema(_text_schema(_MONTH, "2026-06"))]
Position = Annotated[
    int,
    PlainValidator(_position),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 10**18 - 1}),
]
"""Of a query string."""
Limit = Annotated[int, *_whole("whole", 1, MOST_PER_PAGE)]
"""Of a query string: so many on a page."""
QuarterOfDays = Annotated[int, *_days(0, 92)]
"""Of a query string: any number up to that of the longest quarter."""
DaysOfMonth = Annotated[int, *_days(1, 28)]
"""That every month has."""
WorkingDays = Annotated[int, *_days(0, 250)]
"""Up to a year of them."""
DaysOfSilence = Annotated[int, *_days(1, 3_650)]
"""Up to ten years of them."""
TimesTheGap = Annotated[int, *_whole("times", 1, 100)]
"""How many times as long as usual; of a query string, too."""
PeriodsAhead = Annotated[int, *_whole("whole", 1, 36)]
"""Of a query string: so many months or quarters."""
SharedRisk = Annotated[int, *_whole("whole", 0, 90)]
"""Percent. Of a query string."""
Seed = Annotated[int, *_whole("whole", 0, 2**31 - 1)]
"""Of random numbers. Of a query string."""
Email = Annotated[
    str,
    PlainValidator(_email),
    WithJsonSchema(
        {"type": "string", "format": "email", "maxLength": 254, "examples": ["anna@romashka.ru"]}
    ),
]
Slug = Annotated[str, Field(strict=True, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Currency = Annotated[
    str,
    Field(strict=True),
    AfterValidator(_currency),
    WithJsonSchema({"type": "string", "enum": [*sorted(CURRENCIES)], "examples": ["RUB"]}),
]


def _legible_schema(unprintable: str, most: int) -> WithJsonSchema:
    """Not blank and without controls. That marks which turn text about are refused too, and what
    Unicode does not know yet, no pattern can say that every language reads.
    """
    pattern = rf"^[^{unprintable}]*[^\s{unprintable}][^{unprintable}]*$"
    return WithJsonSchema({"type": "string", "minLength": 1, "maxLength": most, "pattern": pattern})


Line = Annotated[
    str,
    Field(strict=True, max_length=300),
    AfterValidator(_legible),
    AfterValidator(_one_line),
    _legible_schema(r"\x00-\x1f\x7f-\x9f", 300),
]
"""A title or a name."""
Text = Annotated[
    str,
    Field(strict=True, max_length=2_000),
    AfterValidator(_legible),
    _legible_schema(r"\x00-\x08\x0b-\x1f\x7f-\x9f", 2_000),
]
"""A reason, a comment, a piece of evidence; may have several lines."""
