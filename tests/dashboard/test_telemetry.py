from __future__ import annotations

import httpx
from prometheus_client import REGISTRY


def counted(route: str, code: str) -> float:
    return REGISTRY.get_sample_value("gantry_dashboard_requests_total", {"route": route, "code": code}) or 0


async def test_requests_are_counted_by_route_and_code_and_never_by_what_was_typed(api: httpx.AsyncClient):
    asked = [
        ("/api/rate", "/api/rate", "200"),
        ("/api/rate?window=x", "/api/rate", "400"),
        ("/api/letters/1-1", "/api/letters/{entry}", "404"),
        ("/login", "/login", "200"),
        ("/nothing/of/ours", "none", "404"),
    ]
    before = [counted(route, code) for _, route, code in asked]
    for path, _, _ in asked:
        await api.get(path)
    assert [counted(route, code) for _, route, code in asked] == [n + 1 for n in before]
    seconds = REGISTRY.get_sample_value("gantry_dashboard_request_seconds_count", {"route": "/api/rate"})
    assert seconds is not None and seconds >= 2


async def test_a_request_for_a_foreign_host_is_counted_too(api: httpx.AsyncClient):
    before = counted("none", "421")
    await api.get("/api/rate", headers={"host": "evil.example"})
    assert counted("none", "421") == before + 1
