"""Files as inputs: uploaded with the request, kept in the blob store before, or fetched from an address.

A file that is not in the request is never in memory: it streams into the blob store, and from there into
the payload that a replica gets.
"""
