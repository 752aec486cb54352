"""The smallest servable: whatever comes in, the same greeting goes out."""


def hello_world(inputs: object) -> str:
    """A constant: what it costs to run this is what the hub itself costs."""
    return "Hello World"
