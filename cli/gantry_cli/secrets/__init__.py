"""`gantry secrets`: what an installation in containers keeps secret, one folder per service."""
