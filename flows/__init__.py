"""Prefect flows: tables of contents over the stages of `services`, and the program's entry."""
