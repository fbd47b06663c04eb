class Thing(list):
    """A thing."""

    size = 1
