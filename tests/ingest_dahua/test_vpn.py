"""The kernel's files about an interface."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest_dahua.vpn import FOLDER, Vpn


def given(folder: Path, flags: str, operstate: str, iface: str = "ppp0") -> Vpn:
    (folder / iface).mkdir()
    (folder / iface / "flags").write_text(flags + "\n")
    (folder / iface / "operstate").write_text(operstate + "\n")
    return Vpn(iface, folder)


@pytest.mark.parametrize(
    ("flags", "operstate", "up"),
    [
        pytest.param("0x10d1", "unknown", True, id="ppp that is up"),
        pytest.param("0x1003", "up", True, id="ethernet that is up"),
        pytest.param("0x1003", "down", False, id="no cable"),
        pytest.param("0x1003", "lowerlayerdown", False, id="what it runs on is down"),
        pytest.param("0x1003", "dormant", False, id="waits for something"),
        pytest.param("0x1090", "unknown", False, id="ppp before its addresses are agreed"),
        pytest.param("0x1002", "down", False, id="switched off"),
        pytest.param("strange", "up", False, id="no number"),
    ],
)
def test_up_is_switched_on_and_running(tmp_path: Path, flags: str, operstate: str, up: bool) -> None:
    assert given(tmp_path, flags, operstate).up() is up


def test_an_interface_that_is_not_there_is_down(tmp_path: Path) -> None:
    assert not Vpn("ppp0", tmp_path).up()
    (tmp_path / "ppp0").mkdir()
    assert not Vpn("ppp0", tmp_path).up()


@pytest.mark.skipif(not (FOLDER / "lo").exists(), reason="the loopback interface is told under /sys on Linux only")
def test_the_loopback_interface_of_this_machine_is_up() -> None:
    assert Vpn("lo").up()
