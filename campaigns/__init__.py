"""Fault campaigns: the promises, with SIGKILL at random moments."""
