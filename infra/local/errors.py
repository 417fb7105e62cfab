"""What can keep the local stack from running, said so that the reader knows what to do."""


class StackError(Exception):
    """The stack cannot do what was asked; the text says why and what helps."""


class PortTaken(StackError):
    """A port of the stack belongs to another process."""


class PartFailed(StackError):
    """A part ended or did not become healthy in time; the text holds the end of its log."""


class SettingsConflict(StackError):
    """The state folder belongs to a stack with other settings."""


class StackBusy(StackError):
    """Another command is starting or stopping this stack."""
