"""Versioned encodings: order-entry frames, journal records, stream events."""
