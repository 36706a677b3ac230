"""What is wrong with the service as a whole, decided from its own counters: pure functions, no clock, no IO."""
