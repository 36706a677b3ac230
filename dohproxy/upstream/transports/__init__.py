"""Ways to an upstream. Each carries one query there and returns its answer, or how the send ended."""
