"""The task `medical_qa`: medical questions, answered in one of six forms."""

from __future__ import annotations

from medplug.core.hooks import hookimpl
from medplug.core.specs import TaskSpec

medplug_api = 1


@hookimpl
def medplug_tasks() -> list[TaskSpec]:
    """Give the task `medical_qa`."""
    return [
        TaskSpec(
            name="medical_qa",
            summary="Answer medical questions: yes or no, one of several options, a span of a context, the right "
            "passage of a corpus, whether one question entails another, or an answer that is written",
            factory="medplug.plugins.medical_qa.task:MedicalQa",
            config="medplug.plugins.medical_qa.options:MedicalQaOptions",
            data="medplug.plugins.medical_qa.options:MedicalQaData",
            modalities=("text",),
            targets=("binary", "multiclass", "choice", "span", "ranking", "text"),
            recipe="medical_qa",
            writing=("task.form", ("generative",)),
            recipe_by=(
                "task.form",
                {
                    "entailment": "medical_qa_entailment",
                    "multiple_choice": "medical_qa_choice",
                    "extractive": "medical_qa_spans",
                    "retrieval": "medical_qa_retrieval",
                    "generative": "medical_qa_generation",
                },
            ),
        )
    ]
