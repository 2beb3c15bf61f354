"""The chassis: turns an incoming chat update into one transaction and a reply."""
