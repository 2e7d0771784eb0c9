"""x"""

from fastapi import APIRouter
from api.pages.frame import Page

router = APIRouter(route_class=Page, include_in_schema=False)
