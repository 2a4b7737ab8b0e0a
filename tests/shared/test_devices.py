from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry import devices, maps
from gantry.devices import DeviceRate, Devices
from gantry.errors import Malformed, SettingsError

SERIAL = "9C0AA51PAZ00001"


def write(folder: Path, content: str | bytes) -> Path:
    (folder / devices.FILE).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def problem(folder: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        devices.load(folder)
    [sentence] = caught.value.problems
    beginning = f"CONFIG_DIR: {folder / devices.FILE}: "
    assert sentence.startswith(beginning)
    return sentence.removeprefix(beginning)


@pytest.mark.parametrize("content", [None, "", "# none yet\n", "[device]\n", "[recorder.a]\nurl = 'http://x'\n"])
def test_nothing_about_devices(tmp_path: Path, content: str | None) -> None:
    assert devices.load(tmp_path if content is None else write(tmp_path, content)) == Devices()


def test_rates_of_devices_beside_the_tables_of_others(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        f"""\ufeff# limits\r
[recorder.north]\r
url = "http://10.0.0.12/"\r
[counter.9c0aa5000001]\r
token = "abc"\r
[device.{SERIAL}]\r
max_per_minute = 120\r
burst = 20\r
[device."gate/1"]\r
max_per_minute = 1.5\r
[device."9C:0A:A5:00:00:01"]\r
burst = 1\r
[device.plain]\r
""",
    )
    assert devices.load(folder).rates == {
        SERIAL: DeviceRate(120, 20),
        "gate/1": DeviceRate(max_per_minute=1.5),
        "9c0aa5000001": DeviceRate(burst=1),
        "plain": DeviceRate(),
    }


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[device.a]\nburst = \n", "line 2: not TOML: Invalid value"),
        ("[device.a]\nburst = 3\n[device.a]\n", "line 3: not TOML: Cannot declare"),
        ('a = "', "line 1: not TOML: "),
        ("\n\n[device.a", "line 3: not TOML: "),
        (b"[device.a]\n# \xff\n", "line 2: not UTF-8"),
        ("a = " + "[" * 20_000, "line 1: nested too deeply"),
        ("a = " + "1" * 5000, "a number in it is too long"),
        ("\n[devices.a]\nburst = 3\n", "line 2: 'devices' is none of device, recorder, counter"),
        ("burst = 3\n", "line 1: 'burst' is none of device, recorder, counter"),
        ("device = 3\n", "line 1: 'device' is not a table of devices"),
        ("[[device]]\nburst = 3\n", "'device' is not a table of devices"),
        ("[device]\na = 3\n", "line 2: device 'a': is not a table"),
        ("[device.a]\nburst = 3\n[device.b]\nburts = 3\n", "line 4: device 'b': 'burts' is none of max_per_minute"),
        ('[device."a b"]\n"burst" = 0\n', "line 2: device 'a b': burst must be a whole number from 1 to 100000"),
        ("[device.a]\n\nburst = 100_001\n", "line 3: device 'a': burst must be"),
        ("[device.a]\nburst = 2.0\n", "line 2: device 'a': burst must be"),
        ("[device.a]\nburst = true\n", "line 2: device 'a': burst must be"),
        ("[device.a]\nmax_per_minute = 0.9\n", "line 2: device 'a': max_per_minute must be a number from 1 to 6000000"),
        ("[device.a]\nmax_per_minute = nan\n", "line 2: device 'a': max_per_minute must be"),
        ("[device.a]\nmax_per_minute = inf\n", "line 2: device 'a': max_per_minute must be"),
        ("[device.a]\nmax_per_minute = '60'\n", "line 2: device 'a': max_per_minute must be"),
        ("[device]\na.burst = 0\n", "line 2: device 'a': burst must be"),
        ("[device]\na = {burst = 0}\n", "line 2: device 'a': burst must be"),
        ('device."\\u0061".burst = 0\n', "device 'a': burst must be"),
        (
            '[device."9C:0A:A5:00:00:01"]\n[device.9c0aa5000001]\n',
            "line 2: device '9c0aa5000001': stands there twice",
        ),
        (f"[device.{'a' * 300}]\nburst = 0\n", f"line 2: device '{'a' * 40}': burst must be"),
    ],
)
def test_a_bad_file_is_refused_whole_with_place_and_reason(tmp_path: Path, content: str | bytes, reason: str) -> None:
    assert problem(write(tmp_path, content)).startswith(reason)


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / devices.FILE).mkdir()
    assert problem(tmp_path) == "Is a directory"


def test_the_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "MAX_ENTRIES", 1)
    assert problem(write(tmp_path, "[device.a]\n[device.b]\n")) == "more than 1 devices"
    monkeypatch.setattr(maps, "MAX_BYTES", 4)
    assert problem(tmp_path) == "larger than 4 bytes"


def test_many_devices_are_read_quickly(tmp_path: Path) -> None:
    folder = write(tmp_path, "".join(f"[device.CAM{n}]\nburst = 5\n" for n in range(10_000)))
    started = time.monotonic()
    assert len(devices.load(folder).rates) == 10_000
    assert time.monotonic() - started < 10


@given(st.text(max_size=80) | st.text("[]device.a=\"'\n1 \t{}\\u", max_size=80))
def test_whatever_stands_there_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(Malformed):
        assert all(isinstance(rate, DeviceRate) for rate in devices.parse(text).rates.values())
