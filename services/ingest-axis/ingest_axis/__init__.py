"""The door for Axis people counters: a push over HTTPS becomes raw entries, and 200 says that they are on disk."""
