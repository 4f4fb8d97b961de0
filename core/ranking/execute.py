"""Carrying out a ranking."""

from __future__ import annotations

from medplug.core.progress import Watch
from medplug.core.ranking.request import Request
from medplug.core.ranking.result import Ranking
from medplug.core.training.seeds import seeded


def execute(request: Request, *, watch: Watch | None = None) -> Ranking:
    """Rank what is asked for; raises from `medplug.core.errors`, and writes nothing but ``train.cache``."""
    plan, watching = request.plans[0], watch or (lambda progress: None)
    with seeded(plan.run.seed):
        if request.sources:
            from medplug.core.ranking.sources import rank_sources

            return rank_sources(plan, request.sources, watching)
        from medplug.core.ranking.backbones import rank_backbones

        return rank_backbones(request.plans, watching)
