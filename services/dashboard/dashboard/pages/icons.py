"""Our own few signs, drawn on 16 by 16: a shape beside every word that a colour would otherwise say alone."""

from __future__ import annotations

from markupsafe import Markup

_SHAPES = {
    "ok": '<circle cx="8" cy="8" r="6.5"/><path d="M5 8.3 7.2 10.5 11 6"/>',
    "bad": '<path d="M8 1.8 14.8 13.9H1.2Z"/><path d="M8 6.2V9.6M8 11.4v.8"/>',
    "note": '<circle cx="8" cy="8" r="6.5"/><path d="M8 7.4V11.4M8 4.6v.8"/>',
    "hold": '<circle cx="8" cy="8" r="6.5"/><path d="M6.3 5.6v4.8M9.7 5.6v4.8"/>',
    "wait": '<circle cx="8" cy="8" r="6.5"/><path d="M8 4.4V8l2.4 1.8"/>',
    "off": '<circle cx="8" cy="8" r="6.5"/><path d="M3.5 3.5l9 9"/>',
    "live": '<circle cx="8" cy="8" r="2.6" class="fill"/><circle cx="8" cy="8" r="6.2"/>',
    "letter": '<path d="M1.8 3.5h12.4v9H1.8ZM2 4l6 5 6-5"/>',
    "link": '<path d="M5 11 11 5M6.2 4.8H11.2V9.8"/>',
    "up": '<path d="M8 13V3M4 7l4-4 4 4"/>',
    "down": '<path d="M8 3v10M4 9l4 4 4-4"/>',
    "sort": '<path d="M5 6l3-3 3 3M5 10l3 3 3-3"/>',
    "car": '<path d="M2 11V8.6l1.6-4h8.8l1.6 4V11ZM2 8.6h12"/><circle cx="4.8" cy="11.4" r="1.4"/>'
    '<circle cx="11.2" cy="11.4" r="1.4"/>',
    "person": '<circle cx="8" cy="4.4" r="2.4"/><path d="M3.4 14c0-3.4 1.8-5.2 4.6-5.2s4.6 1.8 4.6 5.2"/>',
    "search": '<circle cx="7" cy="7" r="4.6"/><path d="M10.4 10.4 14.2 14.2"/>',
    "lock": '<rect x="3" y="7.2" width="10" height="6.6" rx="1.4"/><path d="M5.2 7V5a2.8 2.8 0 0 1 5.6 0v2"/>',
}


def icon(name: str) -> Markup:
    """An inline SVG that screen readers pass over: its word stands beside it. Raises KeyError."""
    head = '<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">'
    return Markup(head + _SHAPES[name] + "</svg>")  # noqa: S704 - our own constants
