"""The reports as pages, one for each question of `/v1/reports`."""

from types import ModuleType

from api.pages.reports import calibration, index, laboratory

PAGES: tuple[ModuleType, ...] = (index, calibration, laboratory)
