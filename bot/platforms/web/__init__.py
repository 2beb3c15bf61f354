"""The web chat: one light page, its API, and the HTTP server that other things share."""
