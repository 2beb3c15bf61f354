"""The campaign on Matrix: a crowd on a real homeserver that is killed too, and a bot that is."""
