"""Simple features of text for the linear baseline: weighted counts of words or characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from medplug.core.data.cleaning import evenly, is_chinese

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion

MOST = 0.95
MAX_COLUMNS = 50_000
SMALL = 50
# A single letter, a digit and a sign are findings too: "K 3", "glucose ↑".
TOKEN = r"\w+|[+<>≤≥↑↓]"


class PlainText:
    """TF-IDF of words (1-2), or of characters (1-3) for Chinese, or of both for a mixture; ``[rows, columns]`` sparse.

    What the rows are written in is seen in the training rows.
    """

    def __init__(self) -> None:
        self._vectorizer: TfidfVectorizer | FeatureUnion | None = None

    def fit_transform(self, rows: Sequence[Any]) -> Any:
        """Learn the columns from the training texts and give their matrix."""
        self._vectorizer = _vectorizer(rows)
        try:
            return self._vectorizer.fit_transform(rows)
        except ValueError:  # no column is left: no text shares a word with another, or all are punctuation
            self._vectorizer = _characters(min_df=1)
            return self._vectorizer.fit_transform(rows)

    def transform(self, rows: Sequence[Any]) -> Any:
        """Give the matrix of other texts. Raises RuntimeError before `fit_transform`."""
        if self._vectorizer is None:
            raise RuntimeError("PlainText: call fit_transform with the training texts first")
        return self._vectorizer.transform(rows)


def _vectorizer(texts: Sequence[str]) -> TfidfVectorizer | FeatureUnion:
    from sklearn.pipeline import FeatureUnion

    seen = evenly(texts)
    chinese = sum(is_chinese([text]) for text in seen) / max(len(seen), 1)
    min_df = 1 if len(texts) < SMALL else 2
    if chinese > MOST:
        return _characters(min_df)
    if chinese < 1 - MOST:
        return _words(min_df)
    return FeatureUnion([("words", _words(min_df)), ("characters", _characters(min_df))])


def _words(min_df: int) -> TfidfVectorizer:
    return _tfidf(min_df, analyzer="word", ngram_range=(1, 2), token_pattern=TOKEN)


def _characters(min_df: int) -> TfidfVectorizer:
    return _tfidf(min_df, analyzer="char", ngram_range=(1, 3))


def _tfidf(min_df: int, **how: Any) -> TfidfVectorizer:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, min_df=min_df, max_features=MAX_COLUMNS, lowercase=True, **how)
