"""Records whether user experiences start, proceed and end.

    import labkit

    labkit.configure(endpoint="http://127.0.0.1:8480", definitions="config/user_experience_slis")

    with labkit.experience("create_merge_request", project_id=7) as xp:
        xp.checkpoint("diff_computed", files=3)

Nothing here waits for the network or raises into the host, except where strict
(development and test), where mistakes raise.
"""

from labkit._client import Client
from labkit._context import isolate
from labkit._default import (
    carrier,
    configure,
    current,
    experience,
    flush,
    observed,
    record,
    resume,
    shutdown,
    start,
    stats,
)
from labkit._errors import (
    ArgumentError,
    CarrierError,
    CheckpointError,
    ConfigurationError,
    LabkitError,
    LibraryError,
    ReservedKeyError,
    StateError,
    UnknownExperienceError,
)
from labkit._experience import Experience
from labkit._version import __version__

__all__ = [
    "ArgumentError",
    "CarrierError",
    "CheckpointError",
    "Client",
    "ConfigurationError",
    "Experience",
    "LabkitError",
    "LibraryError",
    "ReservedKeyError",
    "StateError",
    "UnknownExperienceError",
    "__version__",
    "carrier",
    "configure",
    "current",
    "experience",
    "flush",
    "isolate",
    "observed",
    "record",
    "resume",
    "shutdown",
    "start",
    "stats",
]
