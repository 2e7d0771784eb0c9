"""A CSV file as the records an editor shows: whatever Excel or 1C wrote, and nothing else.

Encoding and separator are found out, never asked for: UTF-8 with or without BOM, else Windows-1251;
comma or semicolon, whichever the header has more of. What cannot be told for certain is refused.
"""

import csv
import io
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from api.imports.words import Flaw

MOST_BYTES = 64 * 2**20
MOST_ROWS = 500_000
"""Without the header."""
_LINE_END = re.compile(rb"\r\n|\r|\n")


class Sent(NamedTuple):
    """A file that came in a request."""

    name: str
    content: bytes

    def __str__(self) -> str:
        return self.name

    def open(self, _mode: str = "rb") -> io.BytesIO:
        return io.BytesIO(self.content)


File = Path | Sent


class Record(NamedTuple):
    """`line` is where the record begins; one with a quoted line break covers several."""

    line: int
    cells: list[str]


def records(path: File) -> Iterator[Record]:
    """The header, then the rows, without empty ones. Raises Flaw at the place that is broken."""
    text = _text(_bytes(path))
    found = 0
    for record in _parsed(text):
        if any(cell.strip() for cell in record.cells):
            if found > MOST_ROWS:
                raise Flaw("too-many-rows", line=record.line, most=MOST_ROWS)
            found += 1
            yield record


def _parsed(text: str) -> Iterator[Record]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise _malformed(error, line) from error
        if cells is None:
            return
        yield Record(line, cells)


def _malformed(error: csv.Error, line: int) -> Flaw:
    """The module has one exception for all; only its text tells them apart."""
    if "unexpected end" in str(error):
        return Flaw("open-quote", line=line)
    if "field limit" in str(error):
        return Flaw("long-field", line=line, most=csv.field_size_limit())
    return Flaw("stray-quote", line=line)


def _bytes(path: File) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Flaw("unreadable", why=error.strerror) from error
    if len(data) > MOST_BYTES:
        raise Flaw("too-big", most=MOST_BYTES // 2**20)
    if not data.removeprefix(BOM_UTF8).strip():
        raise Flaw("empty")
    if (place := data.find(0)) >= 0:
        raise Flaw("nul-byte", line=_line_of(data, place))
    return data


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if data.startswith(BOM_UTF8) or _is_mostly_utf_8(data):
            raise Flaw("broken-utf-8", line=_line_of(data, error.start)) from error
    try:
        return data.decode("cp1251")
    except UnicodeDecodeError as error:
        raise Flaw("undecodable", line=_line_of(data, error.start)) from error


def _is_mostly_utf_8(data: bytes) -> bool:
    """Whether more letters beyond ASCII are whole than broken: Windows-1251 has next to none.

    One bad byte in a UTF-8 file must not turn every name in it into a Windows-1251 riddle.
    """
    whole = data.decode("utf-8", "ignore")
    beyond_ascii = len(whole) - len(whole.encode("ascii", "ignore"))
    return beyond_ascii > len(data) - len(whole.encode())


def _separator(text: str) -> str:
    header = text.lstrip("\r\n").splitlines()[0]
    return max(",;", key=header.count)


def _line_of(data: bytes, place: int) -> int:
    return len(_LINE_END.findall(data, 0, place)) + 1
