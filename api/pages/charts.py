"""Charts as SVG: steps, never slopes, for a value changes on a day.

Whatever a chart shows is in a table beside it; so a chart is a picture with a name. Coordinates are
pixels, and floats; figures are exact and are written by `api.pages.figures`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from math import isnan
from typing import NamedTuple

from markupsafe import Markup, escape

from api.pages import figures
from api.words import Language

SLOTS = 12
"""Managers past these are one band."""


@dataclass(frozen=True, slots=True)
class Band:
    """One of a stack: its name, its class of colour, and a value for each day, in units."""

    name: str
    colour: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Marker:
    """What happened on the day at that place: on the axis, a dot, or a diamond where it is late."""

    place: int
    colour: str
    is_late: bool
    title: str


@dataclass(frozen=True, slots=True)
class Frame:
    """Where values are drawn: from zero at `bottom` up to `end` at `top`, which the axis cuts into
    `parts`.
    """

    size: "Size"
    end: float
    parts: int

    @classmethod
    def over(cls, size: "Size", values: Iterable[float]) -> "Frame":
        """As high as the highest of them."""
        return cls(size, *nice_top(max([*values, 0])))

    @property
    def scale(self) -> float:
        """Pixels for a unit."""
        return (self.size.bottom - self.size.top) / self.end

    def y(self, value: float) -> float:
        return self.size.bottom - value * self.scale

    def axis(self, unit: str, language: Language) -> str:
        drawn = []
        for number in range(self.parts + 1):
            value = self.end * number / self.parts
            y = self.y(value)
            drawn.append(stroke("grid", self.size.left, self.size.right, y, y))
            drawn.append(text("ax", self.size.left - 8, y + 4, tick(value, language), "end"))
        return f"{''.join(drawn)}{text('ax', 0, 10, unit)}"


class Size(NamedTuple):
    """Of a picture, and of what is drawn in it inside its margins."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float


DESK = Size(1360, 292, 40, 1192, 22, 268)
PHONE = Size(358, 200, 34, 350, 18, 178)


def nice_top(highest: float) -> tuple[float, int]:
    """The end of an axis from zero, and into how many parts it is cut: 1, 2, 2.5 or 5 times a power
    of ten each.
    """
    if highest <= 0:
        return 1.0, 2
    step = 10.0 ** len(str(int(highest)))
    for part in (0.001, 0.002, 0.0025, 0.005, 0.01, 0.02, 0.025, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0):
        if highest / (step * part) <= 4:
            count = max(1, -int(-highest // (step * part)))
            return step * part * count, count
    return step, 2


def steps(values: Sequence[float], xs: Sequence[float], scale: float, bottom: float) -> str:
    """A path along the tops: right to the day, then up or down on it."""
    parts = [f"M{xs[0]:.1f} {bottom - values[0] * scale:.1f}"]
    for (_, before), (x, value) in pairwise(zip(xs, values, strict=True)):
        if value != before:
            parts.append(f"H{x:.1f}V{bottom - value * scale:.1f}")
    parts.append(f"H{xs[-1]:.1f}")
    return "".join(parts)


def spark(values: Sequence[float], colour: str, mark: float | None = None) -> Markup:
    """Twelve months in 168 by 26 pixels; an own scale, from zero. `mark` is the compared day, as a
    part of the width.
    """
    highest = max([*values, 0]) or 1
    xs = [1 + 162 * place / max(1, len(values) - 1) for place in range(len(values))]
    scale = 19.5 / highest
    path = steps(values, xs, scale, 23.5)
    last = 23.5 - values[-1] * scale
    line = "" if mark is None else stroke("mark", 1 + 162 * mark, 1 + 162 * mark, 2, 23)
    return picture(
        '<svg class="spark" viewBox="0 0 168 26" aria-hidden="true">'
        f"{stroke('grid', 1, 163, 23.5, 23.5)}{line}"
        f'<path class="sl {colour}" d="{path}"/>'
        f'<circle class="dot {colour}" cx="163" cy="{last:.1f}" r="2.2"/></svg>'
    )


def change_bar(change: float, widest: float) -> Markup:
    """One scale for the column; nothing at all has no bar."""
    width = 34.5 * abs(change) / widest if widest else 0
    x = 36 - width if change < 0 else 36
    sign = "neg" if change < 0 else "pos"
    bar = f'<rect class="{sign}" x="{x:.1f}" y="2" width="{width:.1f}" height="8" rx="1"/>'
    return picture(
        '<svg class="dbar" viewBox="0 0 72 12" aria-hidden="true">'
        f"{bar if width else ''}{stroke('zero', 36, 36, 0, 12)}</svg>"
    )


def stack(
    days: Sequence[date],
    bands: Sequence[Band],
    *,
    label: str,
    unit: str,
    months: Sequence[str],
    language: Language,
    compared: tuple[int, str] | None = None,
    narrow: bool = False,
    markers: Sequence[Marker] = (),
) -> Markup:
    """Bands one on the other, each named at its right end; `compared` is a day's place and what is
    said of it. `months` name those that begin within the days.
    """
    totals = [sum(one) for one in zip(*(band.values for band in bands), strict=True)]
    frame = Frame.over(PHONE if narrow else DESK, totals)
    (_, _, left, right, _, bottom), scale = frame.size, frame.scale
    span = max(1, len(days) - 1)
    xs = [left + (right - left) * place / span for place in range(len(days))]
    drawn = [frame.axis(unit, language)]
    drawn += _months(days, xs, months, bottom, every=2 if narrow else 1)
    below = [0.0] * len(days)
    ends = []
    for band in bands:
        above = [low + value for low, value in zip(below, band.values, strict=True)]
        drawn.append(_band(band, below, above, xs, scale, bottom))
        ends.append((band, above[-1], (below[-1] + above[-1]) / 2))
        below = above
    drawn.append(f'<path class="topline" d="{steps(totals, xs, scale, bottom)}"/>')
    if compared is not None:
        place, said = compared
        drawn.append(_compared(frame.size, xs[place], said))
    if not narrow:
        drawn += _named(ends, frame)
    drawn += [_marker(one, xs[one.place], bottom) for one in markers]
    return chart(label, frame.size, drawn, narrow=narrow)


def lines(
    days: Sequence[date],
    bands: Sequence[Band],
    *,
    label: str,
    unit: str,
    language: Language,
    narrow: bool = False,
) -> Markup:
    """Each on its own from zero, named at its right end; NaN where a day has no value. Days may be
    weeks apart.
    """
    there = [one for band in bands for one in band.values if not isnan(one)]
    frame = Frame.over(PHONE if narrow else DESK, there)
    (_, _, left, right, _, bottom), scale = frame.size, frame.scale
    span = max(1, (days[-1] - days[0]).days) if days else 1

    def across(day: date) -> float:
        return left + (right - left) * (day - days[0]).days / span

    firsts = [
        day for number in range(span + 1 if days else 0)
        if (day := days[0] + timedelta(days=number)).day == 1
    ]  # fmt: skip
    names = [figures.month_name(day, language) for day in firsts]
    drawn = [
        frame.axis(unit, language),
        *_months(firsts, [*map(across, firsts)], names, bottom, every=3 if narrow else 1),
    ]
    ends = []
    for band in bands:
        told = [
            (across(day), one) for day, one in zip(days, band.values, strict=True) if not isnan(one)
        ]
        if told:
            path = steps([one for _, one in told], [x for x, _ in told], scale, bottom)
            title = f"<title>{escape(band.name)}</title>"
            drawn.append(f'<path class="sl {band.colour}" d="{path}">{title}</path>')
            ends.append((band, told[-1][1], told[-1][1]))
    if not narrow:
        drawn += _named(sorted(ends, key=lambda one: one[1]), frame)
    return chart(label, frame.size, drawn, narrow=narrow)


def chart(
    label: str, size: tuple[float, float, *tuple[float, ...]], drawn: Iterable[str], *,
    narrow: bool, kind: str = "",
) -> Markup:  # fmt: skip
    """What was drawn, with its name, for a page; `size` begins with width and height."""
    width, height, *_ = size
    return picture(
        f'<svg class="chart {kind}{"narrow" if narrow else "wide"}"'
        f' viewBox="0 0 {width:.0f} {height:.0f}" role="img"'
        f' aria-label="{escape(label)}">{"".join(drawn)}</svg>'
    )


def picture(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704 - numbers, our own classes, and texts that were escaped


def tick(value: float, language: Language) -> str:
    """What an axis says at `value`."""
    return figures.on_axis(f"{value:.2f}".rstrip("0").rstrip("."), language)


def text(kind: str, x: float, y: float, said: str, anchor: str = "") -> str:
    aligned = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{aligned}>{escape(said)}</text>'


def _compared(size: Size, x: float, said: str) -> str:
    side, anchor = (-5, "end") if x > (size.left + size.right) / 2 else (5, "start")
    line = stroke("mark", x, x, size.top - 6, size.bottom)
    return line + text("lab", x + side, size.top - 8, said, anchor)


def _months(
    days: Sequence[date], xs: Sequence[float], names: Sequence[str], bottom: float, every: int
) -> list[str]:
    begun = [(x, day) for x, day in zip(xs, days, strict=True) if day.day == 1]
    drawn = []
    for number, ((x, _), name) in enumerate(zip(begun, names, strict=False)):
        drawn.append(stroke("tick", x, x, bottom, bottom + 4))
        if number % every == 0:
            drawn.append(text("ax", x + 4, bottom + 18, name))
    return drawn


def _band(
    band: Band,
    below: Sequence[float],
    above: Sequence[float],
    xs: Sequence[float],
    scale: float,
    bottom: float,
) -> str:
    title = f"<title>{escape(band.name)}</title>"
    path = outline(below, above, xs, scale, bottom)
    return f'<path class="band {band.colour}" d="{path}">{title}</path>'


def outline(
    below: Sequence[float],
    above: Sequence[float],
    xs: Sequence[float],
    scale: float,
    bottom: float,
) -> str:
    """The path around what lies between two lines of steps."""
    back = []
    for (x, _), (_, value) in pairwise(zip(reversed(xs), reversed(below), strict=True)):
        back.append(f"H{x:.1f}V{bottom - value * scale:.1f}")
    lower = f"V{bottom - below[-1] * scale:.1f}{''.join(back)}H{xs[0]:.1f}Z"
    return steps(above, xs, scale, bottom) + lower


def _marker(marker: Marker, x: float, bottom: float) -> str:
    title = f"<title>{escape(marker.title)}</title>"
    if marker.is_late:
        path = f"M{x:.1f} {bottom - 5:.1f}l5 5-5 5-5-5z"
        return f'<path class="late-mark halo" d="{path}">{title}</path>'
    where = f'cx="{x:.1f}" cy="{bottom:.1f}" r="3"'
    return f'<circle class="{marker.colour} halo" {where}>{title}</circle>'


def _named(ends: Sequence[tuple[Band, float, float]], frame: Frame) -> list[str]:
    """The names beside the bands, pushed apart where bands are thin."""
    room, right, top = 16.0, frame.size.right, frame.size.top
    places: list[float] = []
    for _, _, middle in ends:
        y = frame.y(middle)
        places.append(min(y, places[-1] - room) if places else min(y, frame.size.bottom - 2))
    overflow = min([*places, top]) - top
    places = [place - overflow if overflow < 0 else place for place in places]
    drawn = []
    for (band, _, middle), y in zip(ends, places, strict=True):
        path = f"M{right + 2:.0f} {frame.y(middle):.1f}L{right + 12:.0f} {y:.1f}H{right + 20:.0f}"
        drawn.append(f'<path class="lead {band.colour}" d="{path}"/>')
        drawn.append(text("lab", right + 24, y + 4, band.name))
    return drawn


def stroke(kind: str, x1: float, x2: float, y1: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>'
