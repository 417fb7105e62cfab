"""Replays recorded exchange order flow through the order-entry protocol into a running engine."""
