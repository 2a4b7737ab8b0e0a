"""The way to recorders and counters, as the ingest services see it → problems. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from gantry.diagnosis import processes, sentences
from gantry.diagnosis.phrases import Heard, Moment, Phrase, Problem, Span, Value
from gantry.diagnosis.processes import Process, Recorder

DAY_MS = 86_400_000
CERTIFICATE_MS = 14 * DAY_MS
_UNATTACHED = ("no sign of life from the recorder yet", "not attached to ")  # how ingest-dahua says it


def unattached(alive: tuple[Process, ...]) -> list[Recorder]:
    """Recorders that nobody is connected to, as far as somebody says so."""
    return [each for each in processes.recorders(alive) if not each.said.connected]


def problems(alive: tuple[Process, ...], now_ms: int) -> Iterator[Problem]:
    """What stands between us and the devices, the nearest first."""
    for process, vpn in processes.vpns(alive):
        if not vpn.up:
            yield Problem("vpn-down", {"iface": vpn.iface, "instance": process.instance}, link="configuration")
    for recorder in unattached(alive):
        yield _of_recorder(recorder, now_ms)
    yield from _of_certificates(alive, now_ms)


def explains(recorder: Recorder, process: Process) -> bool:
    """Whether a process is unready for no other reason than this recorder."""
    only = "; " not in process.reason and process.reason.startswith(_UNATTACHED)
    return only and process.instance == recorder.instance


def _of_recorder(recorder: Recorder, now_ms: int) -> Problem:
    said = recorder.said
    reason: Value = Heard(said.reason) if said.reason else Phrase("process.no_reason")
    values = {"recorder": recorder.name, "since": sentences.since(said.since_ms, now_ms), "reason": reason}
    code = "recorder-unreachable" if said.reachable is False else "recorder-unattached"
    return Problem(code, values, link="devices")


def _of_certificates(alive: tuple[Process, ...], now_ms: int) -> Iterator[Problem]:
    """Of all endpoints, the certificate that ends first; wrong once it has ended: counters refuse it then."""
    ends = [each.certificate_until_ms for each in processes.endpoints(alive) if each.certificate_until_ms]
    end = min(ends, default=now_ms + CERTIFICATE_MS)
    values: dict[str, Value] = {"at": Moment(end), "span": Span((end - now_ms) / 1000)}
    if end <= now_ms:
        yield Problem("certificate-ended", values, link="configuration")
    elif end < now_ms + CERTIFICATE_MS:
        yield Problem("certificate-ends", values, wrong=False, link="configuration")
