"""`gantry provision`: what the groups on the platform must be, and whether they are.

settings ─▶ wanted ─┐
                    ├─▶ steps: what differs ─▶ plan prints it, apply does it
platform ─▶ found ──┘                     └─▶ checks: what is lost because of it ─▶ verify
"""
