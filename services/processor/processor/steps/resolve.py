"""Whose event is it: machine name → serial → friendly name → device id."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gantry import serials
from gantry.maps import Maps
from processor.steps import orion
from processor.steps.fields import Fields, section, text
from processor.steps.parse import NotUnderstood

_SERIAL = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The device that an event is about."""

    id: str  # the FIWARE device id
    name: str = ""  # the friendly name
    known_as: tuple[str, ...]  # what the allow-list may call it
    flags: tuple[str, ...] = ()


def camera(dev: str, data: Fields, maps: Maps) -> Device:
    """The camera behind a recorder's event; `dev` is `<recorder>/<index>`.

    Only events of the traffic family carry a machine name; the others are told apart by their channel.
    """
    machine = text(section(data, "TrafficCar").get("MachineName")) or text(data.get("MachineName"))
    if serial := maps.serials.get(machine or dev, ""):
        return Device(id=orion.device_id(serial), name=_name(maps, serial), known_as=(serial,))
    plain = machine or dev.replace("/", "-")
    device_id = orion.device_id(plain)
    return Device(id=device_id, name=_name(maps, plain), known_as=(device_id, plain, machine or dev))


def counter(sensor: Fields, maps: Maps) -> Device:
    """The counter that measured. Raises NotUnderstood when it does not say which it is."""
    serial = serials.canonical(text(sensor.get("serial")))
    if not _SERIAL.fullmatch(serial):
        raise NotUnderstood("serial_unusable" if serial else "no_serial")
    flags = () if serials.is_mac(serial) else ("serial_odd",)
    return Device(id=orion.device_id(serial), name=_name(maps, serial), known_as=(serial,), flags=flags)


def _name(maps: Maps, device: str) -> str:
    return orion.attribute_text(maps.name_of(device))
