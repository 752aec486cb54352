"""Pictures in, pictures out."""


def negative(picture):
    """The picture with light and dark exchanged."""
    return 255 - picture
