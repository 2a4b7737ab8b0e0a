"""The page and the API on :5000: how things stand, which device, what happened to this event."""
