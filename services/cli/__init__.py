"""The command line: what a command prints, and what it says when something is wrong.

`flows.cli` adds the commands that run flows and is the program's entry.
"""
