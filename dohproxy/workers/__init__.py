"""What makes a process one of several workers: its place among them, its parts, and what it was handed at its start."""
