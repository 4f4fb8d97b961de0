"""All that metrics.json tells of a trained model: its scores on the test rows, and what rows and model are like."""

from __future__ import annotations

from medplug.core.data.dataset import Dataset
from medplug.core.evaluation.abstention import Threshold, threshold
from medplug.core.explaining.permutation import importance
from medplug.core.judging.judge import Judged
from medplug.core.judging.leakage import leakage_told
from medplug.core.judging.shift import rows_told
from medplug.core.judging.soundness import heterogeneity_scores
from medplug.core.kinds.kind import Kind
from medplug.core.predictor import Predictor
from medplug.core.task import Task
from medplug.core.training.job import Job, Trained


def gathered(kind: Kind, predictor: Predictor, trained: Trained, job: Job) -> tuple[Judged, Threshold | None]:
    """What a run of this kind shows, and from which score on its answers are sure (None where it gives none)."""
    plan, dataset, task = job.plan, job.dataset, predictor.task
    judged = kind.judge(task, dataset, trained, plan, job.metric)
    scores = judged.scores
    if apart := heterogeneity_scores(scores["by_group"], judged.metric):
        scores["heterogeneity"] = apart
    certain = _certain(kind, task, dataset, trained, judged)
    if (told := importance(predictor, dataset, job, judged.probabilities)) is not None:
        scores["importance"] = told
    if reading := predictor.model.backbone.reading():
        scores["input"] = trained.notes["what the network is given"] = reading
    scores.update(rows_told(dataset.splits, task.slots, plan.run.seed))
    scores["leakage"] = leakage_told(dataset.facts)
    return judged, certain


def _certain(kind: Kind, task: Task, dataset: Dataset, trained: Trained, judged: Judged) -> Threshold | None:
    """From which score on answers are sure, where the task says how often these must be right; told with the scores."""
    if task.sure is None:
        return None
    certain = threshold(kind.certainties(dataset, trained, "validation"), task.sure)
    held = certain.held(kind.certainties(dataset, trained, "test"))
    judged.scores["certain"] = {**certain.as_json(), "test": held}
    return certain
