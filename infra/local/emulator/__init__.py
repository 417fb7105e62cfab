"""The AWS emulator in a process of our own: ministack, its defects cured, its state kept.

`python -m infra.local.emulator` serves it; `infra/local/parts/emulator.py` says how it is started.
"""
