"""The shop's worker: takes jobs from a pipe, one a line, and finishes what they carry."""

import json
import os
import signal
import sys

import labkit


def create_merge_request(wish: str) -> None:
    """Do the job, or fail as wished."""
    if wish == "error":
        raise RuntimeError("the target branch is gone")


def work(job: dict) -> None:
    """Run one job within the experience that it carries."""
    carrier = job["labkit_user_experiences"]
    with labkit.isolate():
        experience = labkit.resume("create_merge_request", carrier, category="job_started")
        try:
            create_merge_request(*job["args"])
        except RuntimeError as error:
            experience.error(error)
        experience.complete()


def main() -> None:
    """Take jobs until told to stop."""
    labkit.configure(
        endpoint=os.environ["TRACKER"],
        definitions=os.environ["DEFINITIONS"],
        type="worker",
        batch_age_ms=50,
    )
    # An orderly exit, so that what waits is sent.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Read and write: the pipe stays open while no job is being written.
    with os.fdopen(os.open(os.environ["JOBS"], os.O_RDWR)) as jobs:
        for line in jobs:
            work(json.loads(line))


if __name__ == "__main__":
    main()
