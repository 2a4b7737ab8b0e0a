"""Redis Streams: the client, the scripts, and what their replies mean."""
