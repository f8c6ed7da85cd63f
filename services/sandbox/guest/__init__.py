"""The program inside the sandbox: a warm interpreter whose forks are the states of the searches.

It uses the standard library alone (numpy and sympy are imported for the programs, not for itself),
and runs the same on a host's interpreter and in a container that has nothing of Stepforge else.
"""
