"""Broadcasts: composing, previewing, confirming and following one; stopping them for oneself."""
