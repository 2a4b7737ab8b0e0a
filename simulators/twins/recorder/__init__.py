"""A twin of a recorder: digest login, heartbeats, and events that are invented or played from a file."""
