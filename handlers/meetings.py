"""Meetings: calling one, saying whether one comes, moving and cancelling it."""
