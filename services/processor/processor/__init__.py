"""Turns what devices said into measures for the platform; personal data stops here. Start reading at pipeline.py."""
