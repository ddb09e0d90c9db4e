"""Errors with the name of a problem in the table of `skser.datasets.audit`."""

from __future__ import annotations


def with_problem(error: Exception, problem: str) -> Exception:
    """Add the name of a problem to an error."""
    error.__dict__["problem"] = problem
    return error


def problem_of(error: Exception) -> str:
    """Name of the problem for which an error was raised."""
    return str(error.__dict__.get("problem", "unreadable"))
