"""The reports as pages, one for each question of `/v1/reports`."""

from types import ModuleType

from api.pages.reports import (
    activity,
    calibration,
    comparison,
    concentration,
    digest,
    forecast,
    index,
    laboratory,
    months,
    stalled,
    targets,
)

PAGES: tuple[ModuleType, ...] = (
    index, activity, comparison, targets, months, stalled, concentration, digest, forecast,
    calibration, laboratory,
)  # fmt: skip
