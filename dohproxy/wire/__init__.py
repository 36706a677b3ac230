"""DNS messages: bytes to checked values and back. No IO, no clock; whatever comes in is distrusted."""
