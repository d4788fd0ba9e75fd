"""The errors that a user can fix.

Each is a `UserError`, whose message is one paragraph: what was found, where, and what to do. Any other exception is a
bug of ours and keeps its stack trace.
"""


class UserError(Exception):
    """The user can fix this; the message is shown as it is, without a stack trace."""


class HyperparameterError(UserError):
    """A hyperparameter is unknown, of the wrong type or out of range."""


class DataError(UserError):
    """A channel is missing, empty, or has neither class folders nor a manifest, or its manifest is wrong."""


class PictureError(UserError):
    """A picture cannot be read: not a picture, damaged, empty, or too large."""


class WeightsError(UserError):
    """A weights file is unreadable or belongs to another architecture."""


class ExportError(UserError):
    """A network cannot be exported: torch or a package cannot do it, or its graph computes other numbers."""


class ArtifactError(UserError):
    """A model directory is incomplete, damaged, or has another format version."""


class TrainingError(UserError):
    """Training started but cannot continue: a loss that is not finite, a full disk, too little memory."""


class HostsError(UserError):
    """The hosts of a job cannot find each other, have lost each other, or have different data."""


class DriverError(UserError):
    """There is a GPU that cannot be used: its driver is too old or does not answer, or torch fails on it."""


class ServeError(UserError):
    """The server cannot start or stay up: a port in use, a missing Java, a setting out of range."""


class ReportError(UserError):
    """A job's records are missing, damaged, or have another format version, so that there can be no report."""


class DebuggerError(UserError):
    """The debugger's configuration is invalid: an unknown reduction, a collection without tensors, a bad number."""


class RuleError(UserError):
    """A trial cannot be read, or a rule is unknown, has no such parameter, or cannot be loaded."""
