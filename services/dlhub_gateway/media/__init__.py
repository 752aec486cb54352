"""Inputs and outputs in the forms that people have them in: pictures, .npy files, CSV tables, forms, files.

A request's body becomes the same envelope that JSON would have made; an output becomes the file that the
header `Accept` asks for. JSON and MessagePack themselves are the business of `negotiation`.
"""
