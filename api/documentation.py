"""What programmers read: OpenAPI 3.1, and its page at /docs from local files."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse

from api.questions import QUESTIONS
from api.sessions import COOKIE

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Dealfolio</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/swagger-ui.css">
<script src="/static/swagger-ui-bundle.js" defer></script>
<script src="/static/own/docs.js" defer></script>
</head>
<body><div id="docs"></div></body>
</html>
"""


def document(app: FastAPI) -> None:
    """The framework's own page is not used: its script stands in the page, which `api.http.guard`
    forbids to run.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                routes=app.routes,
                openapi_version="3.1.0",
            )
            _describe_door(schema)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the framework's own way to extend it

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(_PAGE)


_KEY_PARAMETERS = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "maxLength": 200, "pattern": "^[!-~]([ -~]*[!-~])?$"},
        "description": "The same key and body are answered as the first time; kept for ever.",
    },
    {
        "name": "If-Match",
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "The ETag of the version that the command is meant for.",
        "example": '"7"',
    },
]
_CSRF_PARAMETER = {
    "name": "X-CSRF-Token",
    "in": "header",
    "required": True,
    "schema": {"type": "string"},
    "description": "The session's token, which GET /auth/session tells.",
}
_OF_MANY_VERSIONS = frozenset({"recordBatch"})
_IN_SESSION = frozenset({"getSession", "signOut", "changePassword"})
_PROBLEM = {
    "title": "Problem",
    "description": "Why not (RFC 9457). Beside these there are members for what the sentence says.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "pattern": "^/problems/[a-z-]+$"},
        "title": {"type": "string", "minLength": 1},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "description": "Of `validation`: what is wrong with which field.",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        "refused": {
            "description": "Of `batch-refused`: the problem of each command, by its number from 0.",
            "type": "array",
            "items": {
                "allOf": [{"$ref": "#/components/schemas/Problem"}],
                "required": ["number"],
                "properties": {"number": {"type": "integer", "minimum": 0}},
            },
        },
    },
}


def _describe_door(schema: dict[str, Any]) -> None:
    schema["components"]["schemas"]["Problem"] = _PROBLEM
    schema["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    }
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            parameters = operation.get("parameters", [])
            for parameter in parameters:
                if parameter["in"] == "query":
                    parameter["schema"] = _never_null(parameter["schema"])
            name = operation["operationId"]
            if name in _IN_SESSION:
                operation["security"] = [{"session": []}]
                if method == "post":
                    operation["parameters"] = [*parameters, _CSRF_PARAMETER]
            elif path.startswith("/v1"):
                operation["security"] = [{"token": []}]
                if method == "post" and name not in QUESTIONS:
                    known = _KEY_PARAMETERS[:1] if name in _OF_MANY_VERSIONS else _KEY_PARAMETERS
                    operation["parameters"] = [*parameters, *known]


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Of a parameter behind an address: it can be left out, and null cannot be said there."""
    if {"type": "null"} not in schema.get("anyOf", ()):
        return schema
    title = {"title": schema["title"]} if "title" in schema else {}
    others = [one for one in schema["anyOf"] if one != {"type": "null"}]
    return title | (others[0] if len(others) == 1 else {"anyOf": others})
