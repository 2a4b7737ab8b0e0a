"""`gantry backup` and `gantry restore`: the server's snapshot, spools, configuration and log as one archive.

commands ─▶ taking ───▶ snapshot (the server's own, over the wire), folders (files that may be in use)
    │           └─────▶ archive ─▶ manifest
    └────▶ restoring ─▶ archive, placing ─▶ images (which server reads what)
"""
