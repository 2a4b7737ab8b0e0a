"""Is it all right? What a site says of itself, and what that means; in words of several languages."""
