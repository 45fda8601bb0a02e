"""The API's reference as a page of our own, drawn from the OpenAPI document: FastAPI's pages load scripts from elsewhere."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from hutong.kernel.errors import HutongError
from hutong.platform.web.problems import recognise
from hutong.platform.web.templating import render

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Field:
    """One parameter, or one member of a body or answer."""

    name: str
    type: str
    required: bool
    description: str = ""
    place: str = ""
    schema: str = ""


@dataclass(frozen=True)
class Operation:
    """One method of one address."""

    method: str
    path: str
    anchor: str
    summary: str
    description: str
    public: bool
    parameters: list[Field] = field(default_factory=list)
    body: Field | None = None
    answers: list[tuple[str, str, Field | None]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


def reference_router() -> APIRouter:
    """/docs; the document itself is FastAPI's /openapi.json."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs")
    async def docs(request: Request) -> Response:
        """The reference page."""
        await recognise(request)
        document = request.app.openapi()
        return render(
            request,
            "web/docs.html",
            info=document["info"],
            groups=groups(document),
            schemas=[
                (name, schema, list(members(schema))) for name, schema in sorted(document.get("components", {}).get("schemas", {}).items())
            ],
            problems=sorted(problem_codes(), key=lambda each: (each.status, each.code)),
        )

    return router


def groups(document: dict[str, Any]) -> dict[str, list[Operation]]:
    """The document's operations under their tags, in the order of the document's list of tags."""
    found: dict[str, list[Operation]] = defaultdict(list, {tag["name"]: [] for tag in document.get("tags", [])})
    for path, methods in document.get("paths", {}).items():
        for method in METHODS:
            if method in methods:
                found[(methods[method].get("tags") or ["other"])[0]].append(_operation(document, path, method, methods[method]))
    return {tag: operations for tag, operations in found.items() if operations}


def _operation(document: dict[str, Any], path: str, method: str, described: dict[str, Any]) -> Operation:
    content = next(iter(described.get("requestBody", {}).get("content", {}).values()), None)
    return Operation(
        method=method.upper(),
        path=path,
        anchor=f"{method}-{path}".replace("/", "-").replace("{", "").replace("}", "").replace(":", "-"),
        summary=described.get("summary", ""),
        description=described.get("description", ""),
        public=described.get("security") == [],
        parameters=[_parameter(_resolved(document, each)) for each in described.get("parameters", [])],
        body=_of_schema("body", content.get("schema", {})) if content else None,
        answers=[
            (status, answer.get("description", ""), next((_of_schema("", each["schema"]) for each in answer.get("content", {}).values() if each.get("schema")), None))
            for status, answer in described.get("responses", {}).items()
            if status < "4"
        ],
        problems=[(status, answer.get("description", "")) for status, answer in described.get("responses", {}).items() if "4" <= status < "6"],
    )  # fmt: skip


def _parameter(described: dict[str, Any]) -> Field:
    schema = described.get("schema", {})
    return Field(
        described["name"],
        type_of(schema),
        described.get("required", False),
        described.get("description", schema.get("description", "")),
        described.get("in", ""),
    )


def _of_schema(name: str, schema: dict[str, Any]) -> Field:
    return Field(name, type_of(schema), True, schema.get("description", ""), schema=_named(schema))


def members(schema: dict[str, Any]) -> Iterator[Field]:
    """The members of an object's schema."""
    required = schema.get("required", [])
    for name, member in schema.get("properties", {}).items():
        described = member if isinstance(member, dict) else {}  # JSON Schema: a member may be just true, that is anything
        yield Field(name, type_of(described), name in required, described.get("description", ""), schema=_named(described))


def type_of(schema: dict[str, Any] | bool) -> str:
    """A schema in a few words: ``string (uuid)``, ``list of Line``, ``"sale" | "return"``, ``integer ≥ 0``."""
    if isinstance(schema, bool):
        return "any" if schema else "nothing"
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[-1])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(type_of(each) for each in schema[several])
    if "enum" in schema:
        return " | ".join(f'"{each}"' for each in schema["enum"])
    if "const" in schema:
        return f'"{schema["const"]}"'
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return " | ".join(map(str, kind))
    if kind == "array":
        return f"list of {type_of(schema.get('items', {}))}" + (f" (≤ {schema['maxItems']})" if "maxItems" in schema else "")
    bounds = [f"{sign} {schema[key]}" for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤")) if key in schema]
    if "format" in schema:
        kind = f"{kind} ({schema['format']})"
    return " ".join([str(kind), *bounds])


def _named(schema: dict[str, Any]) -> str:
    """The name of the schema that a member or its items refer to, or nothing."""
    for each in (schema, schema.get("items", {}), *schema.get("anyOf", [])):
        for place in (each, each.get("items", {})) if isinstance(each, dict) else ():
            if isinstance(place, dict) and "$ref" in place:
                return str(place["$ref"].rsplit("/", 1)[-1])
    return ""


def _resolved(document: dict[str, Any], each: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in each:
        return each
    found: Any = document
    for part in each["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    resolved: dict[str, Any] = found
    return resolved


def problem_codes(of: type[HutongError] = HutongError) -> list[type[HutongError]]:
    """Every error type of ours, once a code."""
    found: dict[str, type[HutongError]] = {}
    for kind in of.__subclasses__():
        for each in (kind, *problem_codes(kind)):
            if each.__module__.startswith("hutong.") and each.__name__ != "FrameworkError":
                found.setdefault(each.code, each)
    return list(found.values())
