"""The documents name every setting and every service; nothing is described that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gantry_cli.plan import SERVICES, setting_names

ROOT = Path(__file__).parent.parent
SETTINGS = sorted(name for name in setting_names() if not name.endswith("_FILE") or name.endswith("_CA_FILE"))


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_stands_in_the_example(setting: str) -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert re.search(rf"^#?{setting}=", text, re.MULTILINE)


def test_the_example_names_what_is_read_and_what_compose_reads() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE))
    compose = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")))
    assert named - set(SETTINGS) - compose == set()
    assert compose - named - {"GANTRY_DEMO", "GANTRY_ENV", "TWIN_RATE"} == set(), "those stand in demo.env"


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_services_page_names_its_own_settings(service) -> None:
    page = (ROOT / "services" / service.name / "README.md").read_text(encoding="utf-8")
    shared = {"REDIS_URL", "GANTRY_SITE", "CONFIG_DIR", "LOG_LEVEL", "LOG_FORMAT", "INSTANCE", "DEVICE_QUOTA"}
    own = {field.upper() for field in service.config.model_fields} - shared
    assert {name for name in own if name not in page} == set()


@pytest.mark.parametrize("document", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_links_lead_to_files(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []
