"""What became of every event, line by line in a file, and the status as files."""
