"""Gives back what it gets: what it costs to carry an array there and back."""


def echo(array):
    return array
