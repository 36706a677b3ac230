"""What is known of how well an upstream is, and when it is left alone."""
