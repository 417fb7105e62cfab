"""The AWS emulator inside a process of our own: ministack, with its defects cured and its state kept.

`python -m infra.local.emulator` serves it; `infra/local/parts/emulator.py` says with which settings.
"""
