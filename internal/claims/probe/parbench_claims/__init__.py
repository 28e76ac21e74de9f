"""The observations behind "parbench claims": one function per claim, standard library only, CPython 3.9 and newer.

Each measures and returns what it saw as numbers and texts; what that means is decided elsewhere. Whatever could wait for
ever has a deadline here, and the whole process another one outside.
"""
