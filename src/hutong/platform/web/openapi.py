"""The API's own description (OpenAPI 3.1): what FastAPI knows, what faster routes add, how to sign in, how errors look."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from hutong.platform.web.csrf import SESSION_COOKIE
from hutong.platform.web.problems import PROBLEM_TYPE

OpenApiParts = tuple[dict[str, Any], dict[str, Any]]
"""Paths and component schemas of routes that FastAPI does not describe."""

DESCRIPTION = """\
Join a till, an ERP or a dashboard to the network. Amounts are integers in minor units (fen), times are ISO 8601 with an offset, \
ids are UUIDv7 made by whoever sends. Sending the same again answers the same. Every error is a problem document (RFC 9457) with a \
stable `code`; 429 and 503 carry `Retry-After`."""

PROBLEM_SCHEMA = {
    "type": "object",
    "description": "What went wrong (RFC 9457); further members depend on the code.",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "description": "urn:hutong:problem:<code>"},
        "title": {"type": "string", "description": "in the caller's language, English unless asked otherwise"},
        "status": {"type": "integer", "description": "the HTTP status"},
        "detail": {"type": "string", "description": "what to do about it, for people"},
        "code": {"type": "string", "description": "stable; branch on this"},
        "request_id": {"type": "string", "description": "names this request in the operator's log; also the header X-Request-ID"},
        "errors": {"type": "array", "items": {"type": "object"}, "description": "code invalid: each place with its message"},
    },
    "additionalProperties": True,
}
KNOWN_ANSWERS = {
    "400": "The request cannot be read",
    "401": "Nobody is signed in, or the key is not valid",
    "403": "The caller may not do this",
    "404": "There is no such thing that the caller may know of",
    "422": "The request is understood but cannot be accepted",
    "429": "Too many requests; Retry-After says when to go on",
    "503": "Not done, or not known whether it was; send it again with the same id after Retry-After",
}
WRITE_ANSWERS = {"409": "The request contradicts what is recorded", "413": "The body is larger than allowed"}


def describe(app: FastAPI, extra: Sequence[OpenApiParts]) -> None:
    """Make ``app.openapi()`` answer the whole document, built once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = whole_document(app, extra)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def whole_document(app: FastAPI, extra: Sequence[OpenApiParts]) -> dict[str, Any]:
    """FastAPI's document of the /v1 routes, completed."""
    document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, description=DESCRIPTION, tags=app.openapi_tags, routes=app.routes
    )
    document["paths"] = {path: methods for path, methods in document.get("paths", {}).items() if path.startswith("/v1")}
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for paths, components in extra:
        for path, methods in paths.items():
            document["paths"].setdefault(path, {}).update(methods)
        schemas.update(components)
    schemas["Problem"] = PROBLEM_SCHEMA
    document["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "an integrator's key (hk_…) or a till's (ht_…)"},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": SESSION_COOKIE,
            "description": "a signed-in browser; changes also need X-CSRF-Token",
        },
    }
    for methods in document["paths"].values():
        for method, operation in methods.items():
            _complete(method, operation)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return document


def _complete(method: str, operation: dict[str, Any]) -> None:
    operation.setdefault("security", [{"key": []}, {"session": []}])
    answers = operation.setdefault("responses", {})
    known = KNOWN_ANSWERS if method == "get" else KNOWN_ANSWERS | WRITE_ANSWERS
    for status, description in known.items():
        if status == "422" and "HTTPValidationError" in str(answers.get(status)):
            answers.pop(status)
        answers.setdefault(
            status, {"description": description, "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
        )
    operation["responses"] = dict(sorted(answers.items()))
