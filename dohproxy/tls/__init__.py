"""What both sides' TLS has in common, the door's and that towards upstreams."""
