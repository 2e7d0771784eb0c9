"""A mapping lets a foreign CSV in: a TOML file that turns its rows into rows in our own columns.

    rows = "deals"                     # or "actions": what one row of the file is
    date_format = "%m/%d/%Y"           # optional; strptime's letters
    decimal_mark = "."                 # optional; "." or ","

    [columns]                          # ours = "theirs"
    [constants]                        # ours = "the same text in every row"
    [values.<ours>]                    # "their text" = "our text"; "" makes it empty
    [empty]                            # ours = "what stands for nothing"
    [empty.<ours>]                     # or one that depends on another of their columns:
    by = "theirs"                      #   whose text chooses
    reason = "why these"
    values = { "their text" = "ours" }
    [only.<ours>]                      # emptied again unless ours is ...
    outcome = "won"
    [[skip]]                           # rows that are none of ours: counted, and reported
    column = "theirs"
    values = [""]
    reason = { en = "...", ru = "..." }

The parts apply in this order: skip; columns and constants; values; empty; only. A row of deals that
fills `outcome` gives both the deal and its end.
"""

import tomllib
from collections.abc import Mapping as Map
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.imports.rows import COLUMNS, REQUIRED, Kind, day, in_range
from api.imports.words import Flaw
from api.words import Language

_SOME_DAY = date(2001, 12, 31)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ByColumn(_Part):
    """Instead of nothing, what `values` has for the row's text in their column `by`, if anything.

    `reason` says why these values, to whoever reads the mapping.
    """

    by: str
    reason: str
    values: dict[str, str]


class Words(_Part):
    en: str
    ru: str

    def in_(self, language: Language) -> str:
        return self.ru if language == "ru" else self.en


class Skip(_Part):
    """Rows with one of `values` in their column `column` are passed over."""

    column: str
    values: list[str]
    reason: Words


class Mapping(_Part):
    rows: Kind
    date_format: str | None = None
    decimal_mark: Literal[".", ","] | None = None
    columns: dict[str, str]
    constants: dict[str, str] = Field(default_factory=dict)
    values: dict[str, dict[str, str]] = Field(default_factory=dict)
    empty: dict[str, str | ByColumn] = Field(default_factory=dict)
    only: dict[str, dict[str, str]] = Field(default_factory=dict)
    skip: list[Skip] = Field(default_factory=list)

    @property
    def headings(self) -> list[str]:
        """Every column of theirs that is read."""
        chosen = [rule.by for rule in self.empty.values() if isinstance(rule, ByColumn)]
        read = [*self.columns.values(), *chosen, *(rule.column for rule in self.skip)]
        return list(dict.fromkeys(read))

    def skipped(self, theirs: Map[str, str]) -> Skip | None:
        """The first rule that passes the row over."""
        return next((rule for rule in self.skip if theirs[rule.column] in rule.values), None)

    def translated(self, theirs: Map[str, str]) -> dict[str, str]:
        """The row in our columns."""
        given = {name: theirs[heading] for name, heading in self.columns.items()}
        ours = self.constants | {
            name: self.values.get(name, {}).get(text, text) for name, text in given.items()
        }
        for name, rule in self.empty.items():
            if not ours.get(name):
                ours[name] = rule if isinstance(rule, str) else rule.values.get(theirs[rule.by], "")
        for name, condition in self.only.items():
            if any(ours.get(other, "") != wanted for other, wanted in condition.items()):
                ours[name] = ""
        return ours

    def read_day(self, text: str) -> date:
        if self.date_format is None:
            return day(text)
        try:
            found = datetime.strptime(text, self.date_format)  # noqa: DTZ007 - a date, no instant
        except ValueError as error:
            example = _SOME_DAY.strftime(self.date_format)
            raise Flaw("date", given=text, example=example) from error
        return in_range(found.date())


def read_mapping(path: Path) -> Mapping:
    """Raises Flaw."""
    try:
        mapping = Mapping.model_validate(tomllib.loads(path.read_text("utf-8-sig")))
    except OSError as error:
        raise Flaw("unreadable", why=error.strerror) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Flaw("mapping-shape", where=where, why=first["msg"]) from error
    except ValueError as error:  # not UTF-8, or not TOML
        raise Flaw("mapping-syntax", why=error) from error
    _check_columns(mapping)
    _check_date_format(mapping.date_format)
    return mapping


def _check_columns(mapping: Mapping) -> None:
    """What it fills must be ours, and every column that we require must be filled by something."""
    used = {*mapping.columns, *mapping.constants, *mapping.values, *mapping.empty, *mapping.only}
    used |= {name for condition in mapping.only.values() for name in condition}
    if unknown := sorted(used - set(COLUMNS[mapping.rows])):
        raise Flaw("mapping-columns", rows=mapping.rows, names=", ".join(unknown))
    filled = {*mapping.columns, *mapping.constants, *mapping.empty}
    if gaps := [name for name in REQUIRED[mapping.rows] if name not in filled]:
        raise Flaw("mapping-gaps", names=", ".join(gaps))


def _check_date_format(given: str | None) -> None:
    if given is None:
        return
    try:
        whole = datetime.strptime(_SOME_DAY.strftime(given), given).date()  # noqa: DTZ007 - a date
    except ValueError:
        whole = None
    if whole != _SOME_DAY:
        raise Flaw("mapping-date", given=given)
