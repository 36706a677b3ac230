"""What the operator may know: metrics and bounded logs, without client addresses or names by default."""
