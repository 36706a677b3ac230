"""Several workers as one service: started, watched, replaced, told the same, asked together, and ended in turn."""
