"""What a person sees: each page answers one question."""
