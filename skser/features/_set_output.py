"""The method `set_output` of transformers whose result is a table or, in some cases, spectrograms."""

from __future__ import annotations

from typing import Self

from sklearn.base import TransformerMixin


class SetOutputMixin(TransformerMixin):
    """Let a Pipeline call `set_output` whatever the result is; only tables become data frames."""

    _sets_output = False  # while `set_output` runs

    def set_output(self, *, transform: str | None = None) -> Self:
        """Choose the container of tables; spectrograms have three dimensions and are not changed.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            Container of tables; None changes nothing.

        Returns
        -------
        object
            The transformer itself.
        """
        # scikit-learn's method exists only where `get_feature_names_out` exists.
        self._sets_output = True
        try:
            super().set_output(transform=transform)
        finally:
            del self._sets_output
        return self

    def _returns_table(self) -> bool:
        """Whether the result of `transform` is a table, whose columns have names."""
        raise NotImplementedError


def names_columns(transformer: SetOutputMixin) -> bool:
    """Whether a transformer shows `get_feature_names_out`, by which scikit-learn recognizes tables."""
    return transformer._sets_output or transformer._returns_table()
