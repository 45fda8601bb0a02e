"""The capture routes' part of the OpenAPI document, made from the msgspec types that read the requests."""

from typing import Any

import msgspec

from hutong.sales.wire import MAX_BATCH, Captured, Outcomes, Sale

_REF = "#/components/schemas/{name}"


def capture_openapi() -> tuple[dict[str, Any], dict[str, Any]]:
    """Paths and component schemas of ``POST /v1/sales`` and ``POST /v1/sales:batch``, to merge into the application's document."""
    (sale, captured, outcomes), components = msgspec.json.schema_components([Sale, Captured, Outcomes], ref_template=_REF)
    problem = {
        "description": "Problem document (RFC 9457)",
        "content": {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}},
    }
    refused = {str(status): problem for status in (400, 401, 403, 404, 409, 413, 422, 429, 503)}
    batch = {
        "type": "object",
        "properties": {"sales": {"type": "array", "items": sale, "minItems": 1, "maxItems": MAX_BATCH}},
        "required": ["sales"],
        "additionalProperties": False,
    }
    components.setdefault(
        "Problem",
        {
            "type": "object",
            "properties": {
                "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"},
                "code": {"type": "string", "description": "stable; branch on this"},
            },
            "additionalProperties": True,
        },
    )  # fmt: skip
    paths = {
        "/v1/sales": {
            "post": {
                "tags": ["sales"],
                "summary": "Capture a sale, a return or a void, exactly once",
                "operationId": "capture_sale",
                "description": "201 when this call captured it; 200 with the same answer when it had been captured before; 409 when the id is "
                "recorded with other content or the receipt number is taken; 503: not known, send it again with the same id.",
                "requestBody": {"required": True, "content": {"application/json": {"schema": sale}}},
                "responses": {
                    "201": {"description": "Captured by this call", "content": {"application/json": {"schema": captured}}},
                    "200": {"description": "Captured before; the first answer", "content": {"application/json": {"schema": captured}}},
                    **refused,
                },
            }
        },
        "/v1/sales:batch": {
            "post": {
                "tags": ["sales"],
                "summary": f"Capture up to {MAX_BATCH:,} sales, each with its own outcome",
                "operationId": "capture_sales",
                "requestBody": {"required": True, "content": {"application/json": {"schema": batch}}},
                "responses": {
                    "200": {"description": "An outcome for each, in order", "content": {"application/json": {"schema": outcomes}}},
                    **refused,
                },
            }
        },
    }
    return paths, components
