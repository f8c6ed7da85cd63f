"""The one-machine default: every engine of the service, from wheels, in a home folder."""
