"""What commands do without a running service: upstream tests, stamps, the health check."""
