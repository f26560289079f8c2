"""The program whose frames the check gdb looks for: it imports the modules that are named and stops in the innermost of
three functions, with one call through C in between."""
import importlib
import os
import sys


def innermost(answer):
    os.abort()


def middle(answer):
    list(map(innermost, [answer]))


def outermost():
    middle(42)


for name in sys.argv[1:]:
    importlib.import_module(name)
outermost()
