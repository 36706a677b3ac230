"""RFC 8484 without a server: from HTTP requests to DNS queries and back, the same for every frontend."""
