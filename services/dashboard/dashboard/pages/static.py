"""Our style sheet and scripts, and plotly.js from its package: under names that change with their content."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_FOREVER = "public, max-age=31536000, immutable"
PLOTLY = "plotly.js"
_SQUEEZE = 6  # gzip's 9 takes three times as long for plotly and gains 1 %


@dataclass(frozen=True, slots=True)
class Leaf:
    """One file, compressed once."""

    digest: str
    kind: str  # content type
    packed: bytes  # gzip


@cache
def shelf() -> Mapping[str, Leaf]:
    """Every static file, by name: about 1.5 MB, for as long as the process lives; takes a quarter of a second."""
    found = {
        each.name: _leaf(each.name, each.read_bytes())
        for each in (resources.files("dashboard") / "static").iterdir()
        if each.name.rpartition(".")[2] in _TYPES
    }
    library = resources.files("plotly") / "package_data" / "plotly.min.js"
    return {**found, PLOTLY: _leaf(PLOTLY, library.read_bytes())}


def address(name: str) -> str:
    """Where a file is served: a new address whenever its content changes. Raises KeyError."""
    return f"/static/{shelf()[name].digest}/{name}"


async def serve(request: Request) -> Response:
    leaf = shelf().get(request.path_params["name"])
    if leaf is None:
        return PlainTextResponse("no such file", status_code=404)
    current = request.path_params["version"] == leaf.digest
    headers = {
        "cache-control": _FOREVER if current else "no-cache",
        "vary": "accept-encoding",
        "etag": f'"{leaf.digest}"',
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(leaf.packed, media_type=leaf.kind, headers={**headers, "content-encoding": "gzip"})
    return Response(gzip.decompress(leaf.packed), media_type=leaf.kind, headers=headers)


def routes() -> list[Route]:
    return [Route("/static/{version}/{name}", serve)]


def _leaf(name: str, content: bytes) -> Leaf:
    kind = _TYPES[name.rpartition(".")[2]]
    return Leaf(hashlib.sha256(content).hexdigest()[:12], kind, gzip.compress(content, _SQUEEZE, mtime=0))
