"""`make demo`: the whole trading day in under three minutes, told as a story and then checked."""
