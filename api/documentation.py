"""What programmers read: OpenAPI 3.1, and its page at /docs from local files."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse

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
    """The framework's own page is not used: its script stands in the page, which `api.guard`
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
        "schema": {"type": "string", "maxLength": 200},
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


def _describe_door(schema: dict[str, Any]) -> None:
    schema["components"].setdefault("securitySchemes", {})["token"] = {
        "type": "http",
        "scheme": "bearer",
    }
    for path, operations in schema["paths"].items():
        if not path.startswith("/v1"):
            continue
        for method, operation in operations.items():
            operation["security"] = [{"token": []}]
            if method == "post" and path != "/v1/accounts":
                operation.setdefault("parameters", []).extend(_KEY_PARAMETERS)
