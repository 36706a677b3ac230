"""The DoT frontend: `dohproxy.dot` behind an asyncio protocol."""
