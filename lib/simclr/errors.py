"""Exceptions: a mistake that the person at the keyboard can put right, and a process that is lost."""


class UserError(Exception):
    """A mistake in a file, a parameter or the order of the steps, said in one clear line.

    The message names the file, the field, the value and the way out. Commands print it as
    `error: message` and exit with status 2, without a traceback; so do notebooks.
    """

    def _render_traceback_(self) -> list[str]:  # IPython asks for this
        return [f"error: {self}"]


class Lost(Exception):
    """Another process of the same training is gone; whoever started them says which."""
