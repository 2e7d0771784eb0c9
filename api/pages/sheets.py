"""Tables to take along: JSON, CSV, CSV as Excel opens it in Russia, and XLSX with real numbers.

Every file says at which point it was asked. Text that a spreadsheet would take for a formula gets
an apostrophe before it (OWASP, CSV Injection), except in JSON, and XLSX, where it is text by type.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO, StringIO
from typing import Any, Literal

import xlsxwriter
from fastapi import Response

from api.pages.frame import gettext
from api.pages.visit import Visit
from api.problems import Problem

Kind = Literal["text", "date", "money", "percent", "count", "number"]
_POINT = ("from", "from_known_at", "from_position", "as_of", "known_at", "position")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_FORMATS: Mapping[str, str] = {
    "text": "@",
    "date": "yyyy-mm-dd",
    "money": "#,##0.00",
    "percent": "0.00",
    "count": "0",
    "number": "0.0000",
}


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Sheet:
    """`rows` as an answer has them: amounts and percents are decimal text. `point` is what was
    asked: as_of, known_at, position, and from when or what was known, where that was asked, too.
    """

    name: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    point: Mapping[str, Any]
    currency: str


def sheet(visit: Visit, kind: str, made: Sheet) -> Response:
    """Raises Problem for a kind that there is not."""
    match kind:
        case "json":
            return _sent(_json(made), "application/json", made, "json")
        case "csv":
            return _sent(_csv(visit, made), "text/csv; charset=utf-8", made, "csv")
        case "excel.csv":
            return _sent(_csv(visit, made, russian=True), "text/csv; charset=utf-8", made, "csv")
        case "xlsx":
            media = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
            return _sent(_xlsx(visit, made), media, made, "xlsx")
        case _:
            raise Problem("not-found", what="address")


def _sent(body: bytes, media_type: str, made: Sheet, ending: str) -> Response:
    name = f"dealfolio-{made.name}-{made.point['as_of']}.{ending}"
    return Response(
        body,
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _stamp(made: Sheet) -> dict[str, Any]:
    said = {name: made.point[name] for name in _POINT if name in made.point}
    return said | {"currency": made.currency}


def _json(made: Sheet) -> bytes:
    titles = [column.title for column in made.columns]
    rows = [dict(zip(titles, row, strict=True)) for row in made.rows]
    return json.dumps(_stamp(made) | {"rows": rows}, ensure_ascii=False, indent=1).encode()


def _csv(visit: Visit, made: Sheet, *, russian: bool = False) -> bytes:
    """RFC 4180; or with semicolons, decimal commas and a mark of UTF-8, by which Excel knows it."""
    text = StringIO(newline="")
    writer = csv.writer(text, delimiter=";" if russian else ",", lineterminator="\r\n")
    writer.writerow([column.title for column in made.columns])
    kinds = [column.kind for column in made.columns]
    for row in made.rows:
        cells = zip(kinds, row, strict=True)
        writer.writerow([_cell(kind, value, russian=russian) for kind, value in cells])
    say = gettext(visit.language)
    for name, value in _stamp(made).items():
        writer.writerow([say(name), str(value)])
    return (b"\xef\xbb\xbf" if russian else b"") + text.getvalue().encode()


def _cell(kind: Kind, value: Any, *, russian: bool) -> str:  # noqa: ANN401 - a cell
    text = "" if value is None else str(value)
    if kind in ("money", "percent", "number"):
        return text.replace(".", ",") if russian else text
    if kind == "text" and text.startswith(_FORMULA):
        return f"'{text}"
    return text


def _xlsx(visit: Visit, made: Sheet) -> bytes:
    """Amounts are numbers as Excel has them, of 15 digits; JSON and CSV are exact to the last."""
    say, file = gettext(visit.language), BytesIO()
    with xlsxwriter.Workbook(
        file, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    ) as book:
        page = book.add_worksheet(made.name[:31])
        bold = book.add_format({"bold": True})
        formats = {kind: book.add_format({"num_format": one}) for kind, one in _FORMATS.items()}
        for place, column in enumerate(made.columns):
            page.write_string(0, place, column.title, bold)
        for number, row in enumerate(made.rows, 1):
            for place, (column, value) in enumerate(zip(made.columns, row, strict=True)):
                if value is None:
                    continue
                if column.kind in ("text", "date"):
                    page.write_string(number, place, str(value), formats[column.kind])
                else:
                    page.write_number(number, place, Decimal(value), formats[column.kind])
        for below, (name, value) in enumerate(_stamp(made).items(), len(made.rows) + 2):
            page.write_string(below, 0, say(name))
            page.write_string(below, 1, str(value))
        page.freeze_panes(1, 1)
        page.autofit()
    return file.getvalue()
