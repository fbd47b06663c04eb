"""Jobs; they note what they do in a file of the data folder."""

import time


def note(job, text):
    with open(job.data / "log", "a") as file:
        file.write(text)


def write(job, progress):
    note(job, "w")
    progress("writing")
    (job.folder / "a.txt").write_text(job.inputs["text"])


def wait(job, progress):
    note(job, "w")
    while not (job.data / "go").exists():
        time.sleep(0.02)
    (job.folder / "a.txt").write_text("waited")


def read(job, progress):
    assert all(each.is_done() for each in job.reads.values())
    write(job, progress)


def halves(job, progress):
    checkpoint = job.folder / "checkpoint"
    if not checkpoint.exists():
        note(job, "1")
        checkpoint.write_text("half ")
        raise KeyboardInterrupt
    note(job, "2")
    (job.folder / "a.txt").write_text(checkpoint.read_text() * 2)
    checkpoint.unlink()
