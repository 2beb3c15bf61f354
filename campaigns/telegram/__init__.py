"""The campaign on Telegram: a crowd on a Bot API server that fails, and a bot that is killed."""
