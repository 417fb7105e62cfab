"""A user pool in memory: addresses are known once, the policy refuses what it is told to."""

import uuid
from dataclasses import dataclass, field

from functions.users.service import PasswordRefused
from shared.ports.failures import InfrastructureUnavailable


@dataclass
class FakeIdentityPool:
    """`lose_answers` lets so many sign-ups happen without an answer."""

    subjects: dict[str, str] = field(default_factory=dict)
    refused_passwords: set[str] = field(default_factory=set)
    lose_answers: int = 0

    def sign_up(self, email: str, password: str) -> str | None:
        if email in self.subjects:
            return None
        if password in self.refused_passwords:
            raise PasswordRefused
        self.subjects[email] = str(uuid.uuid4())
        if self.lose_answers > 0:
            self.lose_answers -= 1
            raise InfrastructureUnavailable("the answer was lost")
        return self.subjects[email]

    def subject_of(self, email: str) -> str | None:
        return self.subjects.get(email)
