"""Routes: parse, call, respond. Nothing here computes."""
