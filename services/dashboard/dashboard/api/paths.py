"""Every path of the API: what it takes, what it gives, who answers. Routes and OpenAPI are made of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from dashboard.api import handlers, lists
from dashboard.api.asked import Asked, Choice, Parameter, Whole, Words
from dashboard.parts import Parts
from dashboard.reading import devices, events, history, letters, shapes, states
from dashboard.reading.status_shapes import Status
from gantry import topology
from gantry.event import LetterClass

Handler = Callable[[Parts, Asked], Awaitable[Response]]
JSON, NDJSON, SSE, TEXT = "application/json", "application/x-ndjson", "text/event-stream", "text/plain"
LANGUAGES = ("en", "es")
ENTRY = r"[0-9]{1,15}-[0-9]{1,15}"


@dataclass(frozen=True, slots=True)
class Path:
    """One path, read with GET. `shape` is what 200 carries; of NDJSON one line, of the live stream one event's data."""

    path: str
    about: str
    handler: Handler
    shape: Any
    parameters: Sequence[Parameter] = ()
    media: str = JSON
    missing: Any = None  # what 404 carries, where it is an answer


_TARGET = Choice("target", topology.TARGETS, "evd (vehicles) or crowd (people)")
_LANGUAGE = Choice("lang", LANGUAGES, "language of the sentences", "en")
_FILTERS: tuple[Parameter, ...] = (
    Choice(
        "class",
        [each.value for each in LetterClass],
        "in: an event was broken; quarantine: not understood; out: a measure was refused",
    ),
    _TARGET,
    Words("device", "the lane or the device's key; `*` stands for anything"),
    Words("reason", "a part of the reason"),
    Words("text", "a part of the content or of the platform's answer"),
    Words("event", "the event's id"),
    Whole("since", 0, 9_999_999_999, "became a letter not before, s since the epoch"),
    Whole("until", 0, 9_999_999_999, "became a letter not after, s since the epoch"),
)

PATHS: tuple[Path, ...] = (
    Path("/healthz", "Whether the process lives.", handlers.healthz, str, media=TEXT),
    Path("/api/status", "The complete status of the system.", handlers.status, Status),
    Path(
        "/api/rate",
        "Measures accepted by family within the last seconds.",
        handlers.rate,
        shapes.Rates,
        (Whole("window", history.WINDOW_S, history.MOST_WINDOW_S, "seconds"),),
    ),
    Path("/api/last/evd", "The newest measure of vehicles.", handlers.last_evd, shapes.LastEvent, missing=shapes.Fault),
    Path(
        "/api/last/crowd", "The newest measure of people.", handlers.last_crowd, shapes.LastEvent, missing=shapes.Fault
    ),
    Path(
        "/api/last/unknown",
        "The newest input that nobody understood, redacted.",
        handlers.last_unknown,
        shapes.LastUnknown,
        missing=shapes.Fault,
    ),
    Path(
        "/api/events",
        "How events ended, newest first, from the event log.",
        lists.events,
        shapes.Lines,
        (
            Whole("limit", events.PAGE, events.MOST, "lines at most"),
            Whole("seconds", 0, events.MOST_SECONDS, "only what ended within the last seconds"),
            Words("device", "the lane or the device's key, exactly"),
            Words("what", "event code, as the device names it"),
            Choice("outcome", events.OUTCOMES, "how it ended"),
            Choice("family", ("EVD", "CROWD"), "vehicles or people"),
            Words("text", "a part of the line"),
            Words("cursor", "`next` of the page before"),
        ),
    ),
    Path(
        "/api/events/{id}",
        "What happened to one event, from its receipt to its end.",
        lists.event,
        shapes.Story,
        (Words("id", "the event's id", place="path"),),
        missing=shapes.Story,
    ),
    Path(
        "/api/timeline",
        "Counts by minutes, or by hours.",
        handlers.timeline,
        shapes.Timeline,
        (
            Whole("minutes", 0, history.MOST_MINUTES, "how many, 10 if hours are not given either"),
            Whole("hours", 0, history.MOST_HOURS, "how many"),
        ),
    ),
    Path(
        "/api/devices",
        "Devices with what came, what waits and what is held.",
        lists.devices,
        shapes.Devices,
        (
            Words("text", "a part of lane, name or key"),
            _TARGET,
            Choice("state", devices.STATES, "how the device stands"),
            Choice("sort", devices.SORTS, "order; figures: the greatest first", "lane"),
            Words("cursor", "`next` of the page before"),
            Whole("limit", devices.PAGE, devices.MOST, "devices at most"),
        ),
    ),
    Path(
        "/api/devices/{target}/{lane}",
        "One device in detail.",
        lists.device,
        shapes.DeviceDetail,
        (
            Choice("target", topology.TARGETS, "evd (vehicles) or crowd (people)", place="path"),
            Words("lane", "the id that the platform knows", place="path"),
        ),
        missing=shapes.Fault,
    ),
    Path(
        "/api/letters",
        "Dead letters, newest first.",
        lists.letters,
        states.LettersPage,
        (
            *_FILTERS,
            Words("cursor", "`next` of the page before", ENTRY, "an entry id"),
            Whole("limit", letters.PAGE, letters.MOST, "letters at most"),
        ),
    ),
    Path("/api/letters.ndjson", "All letters, oldest first.", lists.export, states.LetterState, _FILTERS, media=NDJSON),
    Path(
        "/api/letters/{entry}",
        "One dead letter.",
        lists.letter,
        states.LetterState,
        (Words("entry", "its entry id", ENTRY, "an entry id", place="path"),),
        missing=shapes.Fault,
    ),
    Path("/api/ledger", "Both lines of the ledger, over all time.", handlers.ledger, states.LedgerLines),
    Path("/api/ledger/audit", "The ledger recounted from the keys.", handlers.audit, states.LedgerAudit),
    Path("/api/breaker", "Circuit breakers and pauses.", handlers.breaker, states.Breakers),
    Path("/api/streams", "Streams, groups, lanes, leases and memory.", handlers.streams, states.Streams),
    Path(
        "/api/configuration",
        "Effective settings of every process; secrets are masked.",
        handlers.configuration,
        states.Configuration,
    ),
    Path("/api/problems", "What needs a person.", handlers.problems, states.Problems, (_LANGUAGE,)),
    Path(
        "/api/live",
        "Server-sent events: `status` carries what the first page shows, `lines` what has just ended.",
        handlers.live,
        (states.Now, states.News),
        (_LANGUAGE,),
        media=SSE,
    ),
)
