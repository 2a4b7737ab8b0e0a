"""Effective settings of every living process, and the files of CONFIG_DIR."""

from __future__ import annotations

from dashboard.reading import processes, states
from dashboard.reading.sources import Sources
from gantry import devices, maps
from gantry.errors import SettingsError


async def configuration(sources: Sources) -> states.Configuration:
    """Secrets are masked by the processes themselves."""
    problems: list[str] = []
    given, rates = maps.Maps(), devices.Devices()
    try:
        given = maps.load(sources.config.config_dir)
    except SettingsError as error:
        problems += error.problems
    try:
        rates = devices.load(sources.config.config_dir)
    except SettingsError as error:
        problems += error.problems
    return states.Configuration(
        processes=await processes.alive(sources),
        maps=states.Maps(
            allowlist=sorted(given.allowed),
            machine_to_serial=dict(sorted(given.serials.items())),
            camera_name_map=dict(sorted(given.names.items())),
            problems=problems,
        ),
        devices={
            lane: {
                name: value
                for name, value in (("max_per_minute", rate.max_per_minute), ("burst", rate.burst))
                if value is not None
            }
            for lane, rate in sorted(rates.rates.items())
        },
    )
