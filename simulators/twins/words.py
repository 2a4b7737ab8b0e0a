"""Words of the command line that a process list should not show."""

from __future__ import annotations

import argparse
from pathlib import Path


def word(text: str) -> str:
    """The text itself; `@FILE` stands for what that file holds, so that a secret need not stand in the arguments."""
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"{text[1:]} cannot be read: {error}") from error
