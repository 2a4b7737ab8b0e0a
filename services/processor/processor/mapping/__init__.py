"""From a device's words to the platform's attributes; only what is named here ever leaves."""
