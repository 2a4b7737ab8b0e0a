"""The OpenAPI 3.1 description, made of the same paths and structs that answer."""

from __future__ import annotations

from itertools import chain
from typing import Any

import msgspec

import gantry
from dashboard.api.asked import Parameter
from dashboard.api.paths import JSON, PATHS, TEXT, Path
from dashboard.reading.shapes import Fault

TEMPLATE = "#/components/schemas/{name}"


def document() -> dict[str, Any]:
    """The whole description."""
    types = list(dict.fromkeys(chain([Fault], *(map(_types, PATHS)))))
    made, components = msgspec.json.schema_components(types, ref_template=TEMPLATE)
    schemas = dict(zip(types, made, strict=True))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gantry",
            "version": gantry.__version__,
            "description": "Camera counts on their way into a city platform: how things stand, and what happened.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": {path.path: {"get": _operation(path, schemas)} for path in PATHS},
        "components": {"schemas": components},
    }


def _operation(path: Path, schemas: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    fault = _content(JSON, schemas[Fault])
    responses = {"200": {"description": path.about, "content": _content(path.media, _of_shape(path, schemas))}}
    if path.parameters:
        responses["400"] = {"description": "A parameter is wrong; the error says which.", "content": fault}
    if path.missing:
        responses["404"] = {"description": "There is none.", "content": _content(JSON, schemas[path.missing])}
    if path.media != TEXT:
        responses["401"] = {"description": "Reading needs a login here (DASHBOARD_READING).", "content": fault}
        responses["503"] = {"description": "Redis does not answer.", "content": fault}
    return {
        "operationId": path.handler.__name__,
        "summary": path.about,
        "parameters": [_parameter(each) for each in path.parameters],
        "responses": responses,
    }


def _types(path: Path) -> list[Any]:
    shapes = path.shape if isinstance(path.shape, tuple) else (path.shape,)
    return [*shapes, path.missing] if path.missing else [*shapes]


def _of_shape(path: Path, schemas: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    if isinstance(path.shape, tuple):
        return {"oneOf": [schemas[each] for each in path.shape]}
    return schemas[path.shape]


def _parameter(each: Parameter) -> dict[str, Any]:
    return {
        "name": each.name,
        "in": each.place,
        "required": each.place == "path",
        "description": each.about,
        "schema": each.schema(),
    }


def _content(media: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {media: {"schema": schema}}
