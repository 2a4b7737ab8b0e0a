"""Whose data a folder of the embedded server holds: the demo's must never reach a real platform, nor the reverse."""

from __future__ import annotations

from pathlib import Path

MARKER = "DEMO"


def refusal(folder: Path, *, demo: bool) -> str:
    """Why this folder must not be used now, in one sentence; empty when it may. Marks a new folder of the demo."""
    marked, used = (folder / MARKER).exists(), (folder / "appendonlydir").exists()
    if demo and used and not marked:
        return f"{folder} holds real data, which the demo would send to its twin: run the demo in another folder"
    if not demo and marked:
        return f"{folder} holds the demo's data, which would go to the real platform: remove it (rm -r {folder})"
    if demo and not marked:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / MARKER).write_text("made by `gantry up --demo`\n", encoding="utf-8")
    return ""
