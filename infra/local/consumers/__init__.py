"""The local event source mappings: invokes functions from the stream as Lambda does for MSK."""
