"""What an upstream cannot stand of what is added to a query, and how that is found out."""
