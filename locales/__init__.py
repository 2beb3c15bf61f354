"""Every word it says, one folder a language, one Jinja2 file a noun."""
