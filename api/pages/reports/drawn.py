"""Two drawings for estimates: what was told against what came, and what moves between two worlds.

Their tables have the same figures. Coordinates are pixels, and floats.
"""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from api.pages.charts import chart, nice_top, stroke, text, tick
from api.words import Language


class Dot(NamedTuple):
    """Deals of about the same progress: on average `told`, of whom `came`; all in percent. `off`:
    the interval from `low` to `high` leaves the average out.
    """

    told: float
    came: float
    low: float
    high: float
    off: bool
    label: str
    said: str


class Move(NamedTuple):
    """Somebody's value in one world and in the other, in units of the axis."""

    name: str
    before: float
    after: float
    said: str


def reliability(
    dots: Sequence[Dot], *, label: str, across: str, up: str, honest: str, language: Language,
    narrow: bool = False,
) -> Markup:  # fmt: skip
    """On the diagonal what was told came. Both axes are percent; `across` and `up` name them."""
    width, height = (358, 300) if narrow else (760, 420)
    left, right, top, bottom = 44.0, width - 16.0, 22.0, height - 44.0

    def x(percent: float) -> float:
        return left + (right - left) * percent / 100

    def y(percent: float) -> float:
        return bottom - (bottom - top) * percent / 100

    drawn = [text("ax", 0, 10, up)]
    for percent in range(0, 101, 20):
        said = tick(percent, language)
        drawn.append(stroke("grid", left, right, y(percent), y(percent)))
        drawn.append(text("ax", left - 8, y(percent) + 4, said, "end"))
        drawn.append(text("ax", x(percent), bottom + 18, said, "middle"))
    drawn.append(stroke("mark", x(0), x(100), y(0), y(100)))
    drawn.append(text("lab dim", x(99), y(99) - 6, honest, "end"))
    drawn.append(text("ax", right, height - 6, across, "end"))
    for dot in dots:
        colour = "neg" if dot.off else "pos"
        at = x(dot.told)
        drawn.append(
            f"<g><title>{escape(dot.said)}</title>"
            f"{stroke('whisker', at, at, y(dot.low), y(dot.high))}"
            f'<circle class="dot-{colour} halo" cx="{at:.1f}" cy="{y(dot.came):.1f}" r="5"/></g>'
        )
        if not narrow:
            drawn.append(text("ax", at + 9, y(dot.came) + 4, dot.label))
    return chart(label, (width, height), drawn, narrow=narrow, kind="reliability ")


def dumbbells(
    moves: Sequence[Move], *, label: str, unit: str, language: Language, narrow: bool = False
) -> Markup:
    """A line for each, in the order given: hollow where they are, filled where they would be."""
    width, row = (358, 38) if narrow else (1360, 26)
    left, right, top = (8.0, 350.0, 30.0) if narrow else (240.0, 1320.0, 30.0)
    height = top + row * len(moves) + 10
    end, parts = nice_top(max([one for move in moves for one in (move.before, move.after)] or [0]))
    scale = (right - left) / end
    drawn = [text("ax", 0, 10, unit)]
    for number in range(parts + 1):
        value = end * number / parts
        at = left + value * scale
        drawn.append(stroke("grid", at, at, top, height - 4))
        drawn.append(text("ax", at, 24, tick(value, language), "middle"))
    for number, move in enumerate(moves):
        y = top + row * number + (26 if narrow else 14)
        before, after = left + move.before * scale, left + move.after * scale
        sign = "neg" if move.after < move.before else "pos"
        name = (
            text("lab", left, y - 10, move.name)
            if narrow
            else text("lab", left - 16, y + 4, move.name, "end")
        )
        drawn.append(
            f"{name}<g><title>{escape(move.said)}</title>"
            f"{stroke(f'moved {sign}', before, after, y, y)}"
            f'<circle class="ev hollow" cx="{before:.1f}" cy="{y:.1f}" r="4.5"/>'
            f'<circle class="dot-{sign} halo" cx="{after:.1f}" cy="{y:.1f}" r="5"/></g>'
        )
    return chart(label, (width, height), drawn, narrow=narrow)
