"""What operators ask of the engine's journal: show it, prove it, rebuild a moment from it."""
