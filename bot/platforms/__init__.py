"""Chat platforms: one file or folder each, behind one small interface."""
