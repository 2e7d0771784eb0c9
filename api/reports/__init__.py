"""`/v1/reports/…`: each report is one question, at a day and a knowledge as every other."""

from types import ModuleType

from api.reports import calibration, laboratory

ROUTERS: tuple[ModuleType, ...] = (calibration, laboratory)
