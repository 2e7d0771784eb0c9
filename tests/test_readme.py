"""The worked example of the README, run as it stands there."""

import json
import re
from pathlib import Path

import httpx

from tests.http import Server

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
