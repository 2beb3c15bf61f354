"""What Préau remembers, and the rules that keep it true: one file a noun."""
