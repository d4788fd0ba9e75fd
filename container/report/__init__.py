"""The two reports of a training job, made of the files that it recorded: where the time went, and what was learnt.

`profile_record` and `training_record` hold what was recorded, `analyses` judge it, the pages draw it, and `write` puts
them into files. No torch here: a report is made on any machine.
"""

from container.report.write import PROFILER_REPORT, TRAINING_REPORT, write_profiler_report, write_training_report

__all__ = ["PROFILER_REPORT", "TRAINING_REPORT", "write_profiler_report", "write_training_report"]
