from __future__ import annotations

import pytest

from gantry.errors import SettingsError
from gantry.settings import load
from processor.config import Config

REDIS = "redis://gantry:invented-1@redis.invalid:6379"


def test_defaults() -> None:
    config = load(Config, {})
    assert (config.dedup_ttl_s, config.plates, config.metrics_port) == (10, "drop", 9103)


def test_plates_can_only_be_dropped_and_pseudonym_says_why() -> None:
    assert load(Config, {"PLATES": "drop"}).plates == "drop"
    with pytest.raises(SettingsError, match=r"^PLATES: pseudonym is not built yet; .*drop"):
        load(Config, {"PLATES": "pseudonym"})
    with pytest.raises(SettingsError, match=r"^PLATES: must be drop"):
        load(Config, {"PLATES": "keep"})


@pytest.mark.parametrize("value", ["-1", "3601", "x"])
def test_the_window_has_bounds(value: str) -> None:
    with pytest.raises(SettingsError, match=r"^DEDUP_TTL_S"):
        load(Config, {"DEDUP_TTL_S": value})


def test_what_the_process_tells_of_its_settings_holds_no_secret() -> None:
    told = load(Config, {"REDIS_URL": REDIS, "PLATES": "drop"}).effective()
    assert "invented-1" not in str(told)
    assert told["REDIS_URL"] == {"value": "***", "origin": "environment"}
    assert told["PLATES"] == {"value": "drop", "origin": "environment"}
    assert told["DEDUP_TTL_S"] == {"value": "10.0", "origin": "default"}
