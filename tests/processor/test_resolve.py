from __future__ import annotations

import pytest
from processor_entries import CAMERA

from gantry.maps import Maps
from processor.steps import orion, resolve


def test_a_channel_without_machine_name_is_looked_up_by_recorder_and_index() -> None:
    maps = Maps(serials={"ivss/3": CAMERA}, names={CAMERA.casefold(): "Gate"})
    assert resolve.camera("ivss/3", {}, maps).id == CAMERA
    assert resolve.camera("ivss/3", {}, maps).name == "Gate"
    assert resolve.camera("ivss/4", {}, maps).id == "ivss-4"
    assert resolve.camera("ivss/-", {}, maps).id == "ivss--"


def test_a_machine_name_comes_before_the_channel() -> None:
    maps = Maps(serials={"ivss/3": "CHANNEL", "site-7": CAMERA})
    assert resolve.camera("ivss/3", {"MachineName": " site-7 "}, maps).id == CAMERA
    assert resolve.camera("ivss/3", {"MachineName": "site-8"}, maps).id == "site-8"
    assert resolve.camera("ivss/3", {"MachineName": ""}, maps).id == "CHANNEL"


def test_a_machine_name_that_is_the_serial_finds_its_friendly_name() -> None:
    found = resolve.camera("ivss/3", {"TrafficCar": {"MachineName": CAMERA}}, Maps(names={CAMERA.casefold(): "Gate"}))
    assert (found.id, found.name) == (CAMERA, "Gate")


@pytest.mark.parametrize("name", [CAMERA, "ivss-3", "00:11_x.y", "A" * 200])
def test_a_safe_id_stays_as_it_is(name: str) -> None:
    assert orion.device_id(name) == name


@pytest.mark.parametrize("name", ["a b", "a&b", "a#b", "a\nb", "a/b", "(a)", "相机", "", "A" * 201, "a'b"])
def test_an_unsafe_id_is_made_safe_and_keeps_a_digest(name: str) -> None:
    assert orion.device_id(name)[-9] == "-"
    assert len(orion.device_id(name)) <= 200


def test_a_text_loses_what_orion_refuses() -> None:
    assert orion.attribute_text(' <North> "Gate"; (1) = \n') == "North Gate 1"
    assert orion.attribute_text("é" * 300) == "é" * 256
    assert orion.attribute_text("<>") == ""
