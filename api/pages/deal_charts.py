"""One deal drawn: how far it is and whose that is, and its history on both times.

The three rows of the history share one axis of time: progress, check, and events on two rails, when
they were and when they were recorded. A line between the rails is upright for a prompt entry, amber
and slanted for a late one. Coordinates are pixels, and floats; the figures are in the tables.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from typing import Literal

from markupsafe import Markup, escape

from api.pages.charts import Band, chart, outline, picture, steps, stroke, text

_LEFT, _RIGHT, _EDGE = 104.0, 1210.0, 1360.0
_PROGRESS_TOP, _PROGRESS_BOTTOM = 14.0, 146.0
_CHECK_TOP, _CHECK_BOTTOM = 186.7, 238.0
_WAS, _RECORDED = 290.0, 374.0
_ROOM = 16.0
"""Between two names, one above the other."""
_LETTER = 6.2
_MONTHS_AT_MOST = 14
_NAMED_AT_MOST = 8

Kind = Literal["action", "setback", "deal", "confirmation"]


@dataclass(frozen=True, slots=True)
class Share:
    """A manager's part of the progress, in percent; `said` is shown over it."""

    colour: str
    percent: float
    said: str


@dataclass(frozen=True, slots=True)
class Mark:
    """An event on the rails. `late` says how late it was recorded; empty for a prompt entry."""

    kind: Kind
    on: date
    recorded: date
    colour: str
    label: str
    said: str
    late: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A potential check from `on`; `amount` in units of the axis, `said` as its label."""

    on: date
    amount: float
    figure: str
    said: str


@dataclass(frozen=True, slots=True)
class History:
    """What is drawn. `days` are those on which something changed, from the opening, and `as_of`
    last; `bands` and `claimed` have a value for each of them. `ends` are the figures at the end,
    of the bands and of what is claimed.
    """

    days: Sequence[date]
    bands: Sequence[Band]
    claimed: Sequence[float]
    ends: Sequence[str]
    checks: Sequence[Check]
    marks: Sequence[Mark]


@dataclass(frozen=True, slots=True)
class Words:
    """What stands in the drawing beside figures, in the reader's language."""

    label: str
    progress: str
    check: str
    events: str
    was: str
    recorded: str
    claimed: str
    last_day: str
    month: Callable[[date], str]


def progress_bar(
    shares: Sequence[Share], claimed: float, words: Mapping[str, str], *, narrow: bool = False
) -> Markup:
    """All credit one after the other, then what is claimed, hatched; the line is the cap of 100 %.
    `words`: `label`, `cap`, `claimed` and `over`, which is empty where nothing lies beyond.
    """
    width, drawn_to = (358, 337.3) if narrow else (1360, 1257.9)
    total = sum(share.percent for share in shares)
    scale = drawn_to / max(106.0, total + claimed)
    parts = [f'<rect class="track" x="0" y="22" width="{100 * scale:.1f}" height="26"/>']
    x = 0.0
    for share in shares:
        part = share.percent * scale
        parts.append(
            f'<rect class="band {share.colour}" x="{x:.1f}" y="22" width="{part:.1f}" height="26">'
            f"<title>{escape(share.said)}</title></rect>"
        )
        x += part
    if claimed:
        parts.append(
            f'<rect class="claim edge" fill="url(#hatch)" x="{x + 0.5:.1f}" y="22.5"'
            f' width="{claimed * scale:.1f}" height="25">'
            f"<title>{escape(words['claimed'])}</title></rect>"
        )
        x += claimed * scale
    parts.append(stroke("cap", 100 * scale, 100 * scale, 14, 52))
    at = 100 * scale - (0 if narrow else 6)
    parts.append(text("lab", at, 11, words["cap"], "end"))
    if words["over"] and not narrow:
        parts.append(text("lab dim", x + 8, 39, words["over"]))
    for place in range(0, 101, 25 if narrow else 10):
        anchor = "start" if not place else "end" if narrow and place == 100 else "middle"
        parts.append(stroke("tick", place * scale, place * scale, 48, 52))
        parts.append(text("ax", place * scale, 65, str(place), anchor))
    return chart(words["label"], (width, 70), parts, narrow=narrow)


def small_bar(percent: float) -> Markup:
    """For a cell: how much of 100 %."""
    return picture(
        '<svg class="pbar" viewBox="0 0 72 8" aria-hidden="true">'
        '<rect class="track" width="72" height="8" rx="1"/>'
        f'<rect class="tot" width="{0.72 * percent:.1f}" height="8" rx="1"/></svg>'
    )


def history(shown: History, words: Words) -> Markup:
    """The three rows."""
    axis = _Axis.over(shown)
    drawn = [
        *_grid(axis, words),
        *_progress(axis, shown, words),
        *_checks(axis, shown),
        *_rails(axis, shown, words),
    ]
    return chart(words.label, (1360, 408), drawn, narrow=False, kind="lanes ")


@dataclass(frozen=True, slots=True)
class _Axis:
    """Of time: from the first of the month in which the deal was opened to the last day there is
    anything to show of.
    """

    first: date
    last: date
    as_of: date

    @classmethod
    def over(cls, shown: History) -> "_Axis":
        as_of = shown.days[-1]
        last = max([as_of, *(mark.recorded for mark in shown.marks)])
        return cls(shown.days[0].replace(day=1), last, as_of)

    def at(self, day: date) -> float:
        span = max(1, (self.last - self.first).days)
        return _LEFT + (_RIGHT - _LEFT) * (day - self.first).days / span

    def months(self) -> Iterator[date]:
        day = self.first
        while day <= self.last:
            yield day
            day = (day + timedelta(days=32)).replace(day=1)


def _grid(axis: _Axis, words: Words) -> Iterator[str]:
    months = list(axis.months())
    year = 0
    for month in months[:: -(-len(months) // _MONTHS_AT_MOST)]:
        x = axis.at(month)
        yield stroke("vgrid", x, x, 14, 382)
        if x < axis.at(axis.as_of) - 60:
            name = words.month(month)
            yield text("ax", x + 4, 400, name if month.year == year else f"{name} {month.year}")
            year = month.year
    now = axis.at(axis.as_of)
    yield stroke("now", now, now, 8, 382)
    anchor = "start" if now >= _RIGHT - 1 else "middle"
    yield text("ax", now + (10 if anchor == "start" else 0), 400, words.last_day, anchor)
    yield text("lane", 0, 10, words.progress)  # above its 100
    yield text("lane", 0, 188, words.check)
    yield text("lane", 0, 268, words.events)


def _progress(axis: _Axis, shown: History, words: Words) -> Iterator[str]:
    xs = [axis.at(day) for day in shown.days]
    totals = [sum(one) for one in zip(*(band.values for band in shown.bands), strict=True)]
    totals = totals or [0.0] * len(xs)
    above = [total + claim for total, claim in zip(totals, shown.claimed, strict=True)]
    scale = (_PROGRESS_BOTTOM - _PROGRESS_TOP) / max(112.0, *above)
    for percent in (0, 50):
        y = _PROGRESS_BOTTOM - percent * scale
        yield stroke("grid", _LEFT, _RIGHT, y, y)
        yield text("ax", 96, y + 4, str(percent), "end")
    below = [0.0] * len(xs)
    ends: list[_End] = []
    for band, figure in zip(shown.bands, shown.ends, strict=False):
        top = [low + value for low, value in zip(below, band.values, strict=True)]
        path = outline(below, top, xs, scale, _PROGRESS_BOTTOM)
        title = f"<title>{escape(band.name)}</title>"
        yield f'<path class="band {band.colour}" d="{path}">{title}</path>'
        if band.values[-1]:
            ends.append(_End(band.name, figure, below[-1], top[-1]))
        below = top
    if any(shown.claimed):
        path = outline(totals, above, xs, scale, _PROGRESS_BOTTOM)
        yield f'<path class="claim" fill="url(#hatch)" d="{path}"/>'
        if shown.claimed[-1]:
            ends.append(_End(words.claimed, shown.ends[-1], totals[-1], above[-1]))
    cap = _PROGRESS_BOTTOM - 100 * scale
    yield stroke("cap", _LEFT, _RIGHT, cap, cap)
    yield text("ax", 96, cap + 4, "100", "end")
    yield from _names(ends, scale)


@dataclass(frozen=True, slots=True)
class _End:
    """What a band is called, and how it ends."""

    name: str
    figure: str
    below: float
    above: float


def _names(ends: Sequence[_End], scale: float) -> Iterator[str]:
    """From the bottom up, pushed apart where bands are thin; of many only the widest."""
    widest = sorted(ends, key=lambda end: end.above - end.below)[-_NAMED_AT_MOST:]
    kept = [end for end in ends if end in widest]
    ys = list(
        accumulate(
            (_PROGRESS_BOTTOM - (end.below + end.above) / 2 * scale for end in kept),
            lambda lower, y: min(y, lower - _ROOM),
        )
    )
    highest = [_PROGRESS_TOP + 4 + _ROOM * number for number in reversed(range(len(kept)))]
    for end, y, top in zip(kept, ys, highest, strict=True):
        at = max(y, top) + 4
        yield text("lab", _RIGHT + 10, at, end.name)
        yield text("lab num", _EDGE, at, end.figure, "end")


def _checks(axis: _Axis, shown: History) -> Iterator[str]:
    yield stroke("grid", _LEFT, _RIGHT, _CHECK_BOTTOM, _CHECK_BOTTOM)
    yield text("ax", 96, _CHECK_BOTTOM + 4, "0", "end")
    highest = max(check.amount for check in shown.checks) or 1.0
    scale = (_CHECK_BOTTOM - _CHECK_TOP) / highest
    days = [*(check.on for check in shown.checks), axis.as_of]
    xs = [axis.at(day) for day in days]
    amounts = [check.amount for check in shown.checks]
    path = steps([*amounts, amounts[-1]], xs, scale, _CHECK_BOTTOM)
    yield f'<path class="ckfill" d="{path}V{_CHECK_BOTTOM:.0f}H{xs[0]:.1f}Z"/>'
    yield f'<path class="ckline" d="{path}"/>'
    for check, x, following in zip(shown.checks, xs, [*xs[1:-1], _RIGHT], strict=False):
        y = _CHECK_BOTTOM - check.amount * scale
        yield f'<circle class="ckdot" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
        letters = int((following - x) / _LETTER) - len(check.figure) - 1
        said = check.said if len(check.said) <= letters else f"{check.said[: letters - 1]}…"
        if letters >= -1:
            yield (
                f'<text class="lab hl" x="{x + 1:.1f}" y="{y - 8:.1f}">{escape(check.figure)}'
                f'<tspan class="dim"> {escape(said) if letters > 6 else ""}</tspan></text>'
            )
    last = shown.checks[-1]
    y = _CHECK_BOTTOM - last.amount * scale
    yield text("lab num", _EDGE, y + 4, last.figure, "end")


def _rails(axis: _Axis, shown: History, words: Words) -> Iterator[str]:
    yield text("ax", 94, _WAS + 4, words.was, "end")
    yield text("ax", 94, _RECORDED + 4, words.recorded, "end")
    yield stroke("rail", _LEFT, _RIGHT, _WAS, _WAS)
    yield stroke("rail", _LEFT, _RIGHT, _RECORDED, _RECORDED)
    for mark in sorted(shown.marks, key=lambda mark: bool(mark.late)):
        kind = "lk lt" if mark.late else "lk conf" if mark.kind == "confirmation" else "lk"
        yield (
            f'<line class="{kind}" x1="{axis.at(mark.on):.1f}" y1="{_WAS:.0f}"'
            f' x2="{axis.at(mark.recorded):.1f}" y2="{_RECORDED:.0f}">'
            f"<title>{escape(mark.said)}</title></line>"
        )
    for mark in sorted(shown.marks, key=lambda mark: bool(mark.late)):
        yield from _points(mark, axis.at(mark.on), axis.at(mark.recorded))
    yield from _labels(axis, shown.marks)


def _points(mark: Mark, was: float, recorded: float) -> Iterator[str]:
    said = f"<title>{escape(mark.said)}</title>"
    if mark.late:
        for x, y in ((was, _WAS), (recorded, _RECORDED)):
            path = f"M{x:.1f} {y - 6:.0f}l6 6-6 6-6-6Z"
            yield f'<path class="late-mark halo" d="{path}">{said}</path>'
        return
    match mark.kind:
        case "confirmation":
            yield (
                f'<circle class="ev hollow" cx="{recorded:.1f}" cy="{_RECORDED:.0f}" r="3">'
                f"{said}</circle>"
            )
            return
        case "setback":
            yield f'<path class="ev neg" d="M{was - 5:.1f} {_WAS - 4:.0f}h10l-5 9Z">{said}</path>'
        case "action":
            yield (
                f'<circle class="ev {mark.colour}" cx="{was:.1f}" cy="{_WAS:.0f}" r="4.5">'
                f"{said}</circle>"
            )
        case "deal":
            yield (
                f'<rect class="ev hollow" x="{was - 3.5:.1f}" y="{_WAS - 3.5:.1f}" width="7"'
                f' height="7">{said}</rect>'
            )
            return
    yield f'<circle class="ev {mark.colour}" cx="{recorded:.1f}" cy="{_RECORDED:.0f}" r="2.5"/>'


def _labels(axis: _Axis, marks: Sequence[Mark]) -> Iterator[str]:
    """On two lines over the rail, as far as there is room; how late, as far as there is."""
    taken = {_WAS - 10: 0.0, _WAS - 22: 150.0}
    for mark in sorted(marks, key=lambda mark: (mark.on, mark.label)):
        half, x = len(mark.label) * _LETTER / 2, axis.at(mark.on)
        line = next((y for y, end in taken.items() if x - half > end), None)
        if mark.label and line is not None:
            taken[line] = x + half + 3
            yield text("evn latefill" if mark.late else "evn", x, line, mark.label, "middle")
    end = 0.0
    for mark in sorted((one for one in marks if one.late), key=lambda mark: mark.recorded):
        x, width = axis.at(mark.recorded), len(mark.late) * _LETTER + 12
        start = x + 10 if x + width < _EDGE - 90 else x - width
        if start > end:
            end = start + width
            yield text("latetext", start, _RECORDED - 9, mark.late)
