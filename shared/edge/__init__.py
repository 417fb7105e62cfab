"""The HTTP edge of the functions: problems, auth, idempotency, rate limits, settings, tracing."""
