"""The platform's vocabulary and rules. Pure: the standard library and mypy_extensions only."""
