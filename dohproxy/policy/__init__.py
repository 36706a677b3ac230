"""Who may ask what, and how often: pure checks of a query, its client and `now`."""
