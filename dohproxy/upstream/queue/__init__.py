"""Where questions wait for budget, and who goes next."""
