"""A FIWARE IoT Agent for JSON, as 3.14 answers over HTTP, with scripted faults and a record of what it was given."""
