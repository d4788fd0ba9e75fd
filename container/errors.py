"""The errors whose cause is on the user's side.

Everything that a user can mend is a `UserError`; its message is one paragraph that says what was found,
where, and what to do. Whatever else escapes is a bug of ours and keeps its stack trace.
"""


class UserError(Exception):
    """The user can mend this; the message is shown as it is, without a stack trace."""


class HyperparameterError(UserError):
    """A hyperparameter is unknown, of the wrong type or out of range."""


class DataError(UserError):
    """A channel is missing, empty, or holds something else than an ImageFolder."""


class PictureError(UserError):
    """A picture cannot be read: not a picture, damaged, empty, or too large."""


class WeightsError(UserError):
    """A file of weights is unreadable or belongs to another architecture."""


class ArtifactError(UserError):
    """A model directory is incomplete, damaged, or of another format version."""


class TrainingError(UserError):
    """Training started and cannot go on: a loss that is not finite, a full disk, too little memory."""


class HostsError(UserError):
    """The hosts of one job do not find each other, lose each other, or have different data."""


class DriverError(UserError):
    """A GPU is there and cannot be used: its driver is too old, does not answer, or torch fails on it."""


class ServeError(UserError):
    """The server cannot start or stay up: a port in use, a missing Java, a setting out of range."""


class ReportError(UserError):
    """A job's records are missing, damaged, or of another format version, so that no report can be made of them."""


class DebuggerError(UserError):
    """The debugger's configuration cannot be taken: an unknown reduction, no tensors in a collection, a bad number."""


class RuleError(UserError):
    """A trial cannot be read, or a rule is unknown, has no such parameter, or cannot be loaded."""
