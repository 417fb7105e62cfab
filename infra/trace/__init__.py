"""One order's whole way through the platform, put together from what each store holds."""
