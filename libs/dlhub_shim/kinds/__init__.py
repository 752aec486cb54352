"""How models of each type are loaded: one module per type, imported only where a servable needs it.

`load(folder, description)` reads the model once and gives a function that makes, for a method's name and
declaration, what is called with that method's inputs and parameters.
"""
