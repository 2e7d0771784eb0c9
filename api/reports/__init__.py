"""`/v1/reports/…`: each report is one question, at a day and a knowledge as every other."""

from types import ModuleType

from api.reports import (
    activity,
    calibration,
    concentration,
    digest,
    forecast,
    laboratory,
    months,
    stalled,
)

ROUTERS: tuple[ModuleType, ...] = (
    activity, months, stalled, concentration, digest, forecast, calibration, laboratory,
)  # fmt: skip
