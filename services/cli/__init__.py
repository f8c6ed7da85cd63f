"""The command line: what a command prints, and what it says when something is wrong.

`flows.cli` adds the commands that run flows and is the program's entry. A command imports what it
does in its own body: the libraries of all of them take seconds to load, and most need few.
"""
