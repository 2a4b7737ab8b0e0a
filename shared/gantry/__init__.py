"""What flows through Gantry and the plumbing that no service owns; start reading in `gantry.topology`."""

__version__ = "0.1.0"
