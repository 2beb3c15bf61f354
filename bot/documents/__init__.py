"""Pure functions from data to bytes: pictures and codes."""
