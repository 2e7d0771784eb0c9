"""What may come, as bars from P10 to P90 with a line at P50, one for each period."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from api.pages.charts import nice_top, picture, stroke, value_axis
from api.words import Language


@dataclass(frozen=True, slots=True)
class Spread:
    """A period: P10, P50, P90 and one more amount, `dot`, all in units of the chart; `title` says
    all of it.
    """

    name: str
    title: str
    low: float
    middle: float
    high: float
    dot: float


def spreads(
    drawn: Sequence[Spread],
    *,
    label: str,
    unit: str,
    language: Language,
    target: tuple[float, str] | None = None,
    narrow: bool = False,
) -> Markup:
    """`target` is an amount and what is said of it."""
    left, right, top, bottom = (34.0, 350.0, 18.0, 178.0) if narrow else (40.0, 1340.0, 22.0, 228.0)
    width, height = (358, 204) if narrow else (1360, 254)
    highest = [*(max(one.high, one.dot) for one in drawn), target[0] if target else 0.0]
    end, parts = nice_top(max(highest))
    scale, room = (bottom - top) / end, (right - left) / max(1, len(drawn))
    made = [
        value_axis(end, parts, left, right, bottom, scale, language),
        f'<text class="ax" x="0" y="10">{escape(unit)}</text>',
    ]
    every = 1 + (len(drawn) - 1) // (4 if narrow else 12)
    for place, one in enumerate(drawn):
        x = left + room * (place + 0.5)
        made.append(_bar(one, x, min(28.0, room * 0.4), scale, bottom))
        if place % every == 0:
            made.append(
                f'<text class="ax" x="{x:.1f}" y="{bottom + 18:.0f}" text-anchor="middle">'
                f"{escape(one.name)}</text>"
            )
    if target is not None:
        y = bottom - target[0] * scale
        made.append(stroke("mark", left, right, y, y))
        made.append(
            f'<text class="lab" x="{right:.0f}" y="{y - 5:.1f}" text-anchor="end">'
            f"{escape(target[1])}</text>"
        )
    size = "narrow" if narrow else "wide"
    return picture(
        f'<svg class="chart {size}" viewBox="0 0 {width} {height}" role="img"'
        f' aria-label="{escape(label)}">{"".join(made)}</svg>'
    )


def _bar(one: Spread, x: float, half: float, scale: float, bottom: float) -> str:
    low, middle, high = (bottom - level * scale for level in (one.low, one.middle, one.high))
    box = f'x="{x - half:.1f}" y="{high:.1f}" width="{2 * half:.1f}" height="{low - high:.1f}"'
    return (
        f'<g><title>{escape(one.title)}</title><rect class="spread" {box}/>'
        f"{stroke('cap', x - half, x + half, middle, middle)}"
        f'<circle class="ckdot halo" cx="{x:.1f}" cy="{bottom - one.dot * scale:.1f}" r="4"/></g>'
    )
