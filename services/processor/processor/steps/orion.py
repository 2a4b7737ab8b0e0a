"""What Orion, the context broker behind the agent, lets through in ids and texts."""

from __future__ import annotations

import hashlib
import re

ID_LENGTH = 200  # Orion takes 256, and the platform puts the entity's type before it
TEXT_LENGTH = 256

_ID_UNSAFE = re.compile(r"""[^!-~]|[&?/#<>"'=;()]""")
_TEXT_UNSAFE = re.compile(r"""[\x00-\x1f\x7f-\x9f<>"'=;()\ud800-\udfff]""")


def device_id(name: str) -> str:
    """`name` as a device id: the same if it is safe, else made safe and told apart by a digest of the original.

    Without the digest "Gate 1" and "Gate#1" would write into one entity.
    """
    safe = _ID_UNSAFE.sub("_", name)
    if safe == name and 0 < len(name) <= ID_LENGTH:
        return name
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{safe[: ID_LENGTH - 9]}-{digest}"


def attribute_text(value: str) -> str:
    """`value` without the characters that Orion refuses, at most TEXT_LENGTH long; may be empty."""
    return _TEXT_UNSAFE.sub("", value).strip()[:TEXT_LENGTH].rstrip()
