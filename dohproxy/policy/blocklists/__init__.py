"""Names that are not answered, and clients that are not served, because somebody has listed them."""
