"""A command's words by name; a name that a kind does not use is not looked at."""

from dataclasses import dataclass

from shared.domain import records as r


@dataclass(frozen=True)
class Command:
    words: tuple[int, ...]

    def __getitem__(self, word: int) -> int:
        """Return a word; a command of 8 words has zeros in the others."""
        return self.words[word] if word < len(self.words) else 0

    @property
    def kind(self) -> int:
        return self.words[0] & 0xFF

    @property
    def side(self) -> int:
        return self.words[0] >> 8 & 0xFF

    @property
    def order_type(self) -> int:
        return self.words[0] >> 16 & 0xFF

    @property
    def time_in_force(self) -> int:
        return self.words[0] >> 24 & 0xFF

    @property
    def flags(self) -> int:
        return self.words[0] >> 32 & 0xFFFF

    @property
    def instrument_id(self) -> int:
        return self.words[0] >> 48 & 0x7FFF

    @property
    def account_id(self) -> int:
        return self.words[r.C_ACCOUNT]

    @property
    def id(self) -> int:
        return self.words[r.C_ID]

    @property
    def price(self) -> int:
        return self.words[r.C_PRICE]

    @property
    def lots(self) -> int:
        return self.words[r.C_QUANTITY]

    amount = state = lots

    @property
    def peg(self) -> int:
        return self[r.C_MODES] & 0xFF

    @property
    def self_trade(self) -> int:
        return self[r.C_MODES] >> 8 & 0xFF

    @property
    def link(self) -> int:
        return self[r.C_MODES] >> 16 & 0xFF

    @property
    def session(self) -> int:
        return self[r.C_MODES] >> 32
