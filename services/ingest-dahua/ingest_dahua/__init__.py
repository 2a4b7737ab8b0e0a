"""Events of a Dahua recorder, from its HTTP stream into `raw`: nothing read is lost while Redis or disk has room."""
