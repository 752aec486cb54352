"""Inputs and outputs as people have them: tables, pictures, tensors, paths and open files.

None of the libraries that these come from is needed, or imported: a value of one can only be there when its
library is. What a value becomes is decided by the declared type of the method's input.
"""
