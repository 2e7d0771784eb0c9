"""What may come, as bars from P10 to P90 with a line at P50, one for each period."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from api.pages.charts import Frame, Size, chart, stroke, text
from api.words import Language

_DESK = Size(1360, 254, 40, 1340, 22, 228)
_PHONE = Size(358, 204, 34, 350, 18, 178)


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
    aimed = [target[0]] if target else []
    highest = [*(max(one.high, one.dot) for one in drawn), *aimed]
    frame = Frame.over(_PHONE if narrow else _DESK, highest)
    _, _, left, right, _, bottom = frame.size
    room = (right - left) / max(1, len(drawn))
    made = [frame.axis(unit, language)]
    every = 1 + (len(drawn) - 1) // (4 if narrow else 12)
    for place, one in enumerate(drawn):
        x = left + room * (place + 0.5)
        made.append(_bar(one, x, min(28.0, room * 0.4), frame))
        if place % every == 0:
            made.append(text("ax", x, bottom + 18, one.name, "middle"))
    if target is not None:
        y = frame.y(target[0])
        made += [
            stroke("mark", left, right, y, y),
            text("lab halo", right, y - 5, target[1], "end"),
        ]
    return chart(label, frame.size, made, narrow=narrow)


def _bar(one: Spread, x: float, half: float, frame: Frame) -> str:
    low, middle, high = map(frame.y, (one.low, one.middle, one.high))
    box = f'x="{x - half:.1f}" y="{high:.1f}" width="{2 * half:.1f}" height="{low - high:.1f}"'
    return (
        f'<g><title>{escape(one.title)}</title><rect class="spread" {box}/>'
        f"{stroke('cap', x - half, x + half, middle, middle)}"
        f'<circle class="ckdot halo" cx="{x:.1f}" cy="{frame.y(one.dot):.1f}" r="4"/></g>'
    )
