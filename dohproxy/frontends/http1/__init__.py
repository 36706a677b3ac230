"""The HTTP/1.1 frontend: our own reader of requests behind an asyncio protocol."""
