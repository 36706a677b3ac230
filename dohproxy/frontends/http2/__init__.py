"""The HTTP/2 frontend: our own engine behind an asyncio protocol."""
