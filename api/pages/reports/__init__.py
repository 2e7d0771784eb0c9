"""The reports as pages, one for each question of `/v1/reports`."""

from types import ModuleType

from api.pages.reports import forecast, index

PAGES: tuple[ModuleType, ...] = (index, forecast)
