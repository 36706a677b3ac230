"""What several nodes share through a store, and how each goes on when there is none."""
