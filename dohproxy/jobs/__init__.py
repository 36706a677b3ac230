"""What runs in the background beside the requests: files that are looked at or written now and then."""
