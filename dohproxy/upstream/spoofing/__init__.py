"""What a reply over UDP must show to be taken for one: port, ID, drawn case, cookie."""
