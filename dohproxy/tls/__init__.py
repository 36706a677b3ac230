"""What both sides' TLS has in common, the frontend's and that towards upstreams."""
