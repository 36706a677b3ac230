"""The report: from rows of hours to figures of a span of time, to words, to text or a page."""
