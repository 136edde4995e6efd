"""Facts on the wire: SDK objects with explicit times for the past, SDK providers for the present."""
