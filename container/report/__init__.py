"""The two reports of a training job, made from the files that it recorded: its profile, and what it learned.

`profile_record` and `training_record` hold the records, `analyses` judges them, the pages draw them, and `write` writes
the files. Nothing here imports torch: a report can be made on any machine.
"""

from container.report.write import PROFILER_REPORT, TRAINING_REPORT, write_profiler_report, write_training_report

__all__ = ["PROFILER_REPORT", "TRAINING_REPORT", "write_profiler_report", "write_training_report"]
