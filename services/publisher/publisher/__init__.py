"""Lanes → the platform: one request in flight per lane, at the allowed rate, with receipts."""
