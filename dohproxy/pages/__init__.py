"""The public pages: from what the service knows of itself to texts that everybody may read. No IO, no clock."""
