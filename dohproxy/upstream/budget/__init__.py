"""What an upstream may be asked at most: queries, connections, and how much of them is used now."""
