"""`docker compose up` in a fresh clone, without any settings."""

from __future__ import annotations

import pytest

from compose.stack import Stack, eventually, health_of


@pytest.mark.timeout(300)
def test_what_needs_no_setting_is_healthy_and_the_rest_says_what_it_lacks(bare: Stack) -> None:
    wanted = {
        "redis": "healthy",
        "ingest-axis": "healthy",
        "processor": "healthy",
        "journal": "healthy",
        "dashboard": "healthy",
        "ingest-dahua": "unhealthy",
        "publisher": "unhealthy",
    }
    found = eventually(lambda: states(bare) == wanted and wanted, f"{wanted}", within_s=150)
    assert found
    assert "TRAFFIC_IVSS_URL is not set" in bare.logs("ingest-dahua")
    assert "CAMERA_PASS is not set" in bare.logs("ingest-dahua")
    said = bare.logs("publisher")
    assert all(f"{name} is not set" in said for name in ("IOTA_JSON_BASE", "IOTA_APIKEY_EVD", "IOTA_APIKEY_CRWD"))
    probe = bare.containers("publisher")[0]["State"]["Health"]["Log"][-1]["Output"]
    assert "IOTA_JSON_BASE is not set" in probe, "docker inspect tells why it is unhealthy"


@pytest.mark.timeout(300)
def test_a_secret_that_is_put_reaches_its_service(bare: Stack) -> None:
    bare.compose("run", "--rm", "-T", "setup", "put", "IOTA_APIKEY_EVD", given="key-invented-1\n")
    bare.compose("restart", "publisher")
    eventually(lambda: "IOTA_APIKEY_EVD is not set" not in last_refusal(bare), "the publisher to have its key")
    assert "IOTA_APIKEY_CRWD is not set" in last_refusal(bare)
    assert "key-invented-1" not in bare.logs("publisher") + bare.logs("setup")


def states(stack: Stack) -> dict[str, str]:
    return {c["Config"]["Labels"]["com.docker.compose.service"]: health_of(c) for c in stack.containers()}


def last_refusal(stack: Stack) -> str:
    lines = [line for line in stack.logs("publisher").splitlines() if "settings_wrong" in line]
    return lines[-1] if lines else ""
