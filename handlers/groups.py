"""Working groups: what there is, joining and leaving, and who leads them."""
