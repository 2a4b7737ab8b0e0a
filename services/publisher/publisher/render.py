"""Measures → the content of one request. Pure; bodies are joined, never encoded anew.

An empty object must never go out: the agent takes it with 200, invents an attribute `undefined`, and loses the
measures behind it in the same array.
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_BYTES = 64_000  # the agent swells what it forwards about sixfold, and its broker takes 1 MB


def content(bodies: Sequence[bytes]) -> bytes:
    """One measure as the object itself, several as an array in their order. `bodies`: a JSON object each.

    Raises ValueError for none, or for a body that is not an object with something in it.
    """
    if not bodies:
        raise ValueError("no measures")
    for number, body in enumerate(bodies, 1):
        if body[:1] != b"{" or body[-1:] != b"}" or not body[1:-1].strip():
            raise ValueError(f"number {number} of {len(bodies)} is not a measure")
    return bodies[0] if len(bodies) == 1 else b"[" + b",".join(bodies) + b"]"


def fit(bodies: Sequence[bytes], max_bytes: int = MAX_BYTES) -> int:
    """How many of the oldest go into one request of at most `max_bytes`; 1 even when the first alone is larger.

    Raises ValueError for none.
    """
    if not bodies:
        raise ValueError("no measures")
    size = 1  # with the comma or bracket behind each body, the array's length
    for count, body in enumerate(bodies):
        size += len(body) + 1
        if count and size > max_bytes:
            return count
    return len(bodies)
