"""How much of a shared server one visitor may take, in one place.

A class never meets these limits, and a teacher has none. Each can be set in the environment under
its name in capitals after LIMIT_, such as LIMIT_RUNS_WAITING=8.
"""

import os
from dataclasses import asdict, dataclass

from mnist_models.errors import UnavailableError

PREFIX = "LIMIT_"


class LimitError(UnavailableError):
    """A visitor asked for more than one may have. Its text is a sentence for users."""


@dataclass(frozen=True)
class Limits:
    """What one visitor may have.

    Attributes:
        runs_waiting: Runs in the queue at the same time; a race counts once.
        images_per_run: Images that one run learns from, repetitions counted.
        models_imported: Runs and models from files that are kept at the same time.
        upload_mb: The size of a file that is brought, in millions of bytes.
        drawings: Digits given to one collection.
        digits_imported: Digits that are kept of one file.
    """

    runs_waiting: int = 5
    images_per_run: int = 3_500_000
    models_imported: int = 20
    upload_mb: int = 100
    drawings: int = 500
    digits_imported: int = 10_000


def limits() -> Limits:
    """The limits of this server.

    Raises:
        LimitError: One that is set is not a whole number above 0.
    """
    return Limits(**{name: _of(name, default) for name, default in asdict(Limits()).items()})


def _of(name: str, default: int) -> int:
    text = os.environ.get(PREFIX + name.upper())
    if text is None:
        return default
    if not text.strip().isdecimal() or not int(text):
        raise LimitError(
            f"{PREFIX}{name.upper()} is {text!r}: set it to a whole number above 0, or leave it "
            f"out for {default:,}."
        )
    return int(text)
