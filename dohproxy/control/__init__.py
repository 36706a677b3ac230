"""What the person on duty and their tools reach: metrics and the admin socket, on listeners of their own."""
