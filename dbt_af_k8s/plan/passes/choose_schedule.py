"""The schedule of each node, read once per distinct text."""

from dataclasses import dataclass

from dbt_af_k8s.config.settings import NodeSettings, ScheduleSettings
from dbt_af_k8s.errors import Issue, error
from dbt_af_k8s.manifest.values import Node
from dbt_af_k8s.plan.inputs import PlanInputs
from dbt_af_k8s.schedule.parse import ScheduleError, named_schedule_errors, parse_schedule
from dbt_af_k8s.schedule.values import Schedule


@dataclass(frozen=True, slots=True)
class ScheduleChoice:
    """A node's schedule, the rule that gave it, and the error where what the node asks for is none."""

    schedule: Schedule
    because: str
    fault: ScheduleError | None = None

    def issues_of(self, node: Node) -> tuple[Issue, ...]:
        """The error as an issue of the node."""
        if self.fault is None:
            return ()
        fault = self.fault
        return (error(fault.code, fault.message, fault.fix, file=node.file, node=node.unique_id, key=fault.key),)


class ScheduleBook:
    """Gives schedules to nodes. A node whose schedule is wrong gets the default one: its domain is broken anyway."""

    def __init__(self, inputs: PlanInputs) -> None:
        self._settings = inputs.settings.schedules
        self._timezone = inputs.settings.dags.timezone
        self._seen: dict[tuple[str, int, str], ScheduleChoice] = {}
        faults: list[Issue] = []
        default = self._read(self._settings.default, 0, "minute", "the default schedule (`schedules.default`)")
        if default.fault is not None:
            faults.append(_settings_issue(default.fault, "schedules.default", inputs.settings_file))
            default = ScheduleChoice(
                parse_schedule(ScheduleSettings().default, timezone=self._timezone), default.because
            )
        for wrong in named_schedule_errors(self._settings.named, self._timezone):
            faults.append(_settings_issue(wrong, wrong.key, inputs.settings_file))
        for key, text in (
            ("freshness.schedule", inputs.settings.freshness.schedule),
            ("maintenance.schedule", inputs.settings.maintenance.schedule),
        ):
            fault = self.read(text, "").fault if text is not None else None
            if fault is not None:
                faults.append(_settings_issue(fault, key, inputs.settings_file))
        #: What nodes that name no schedule get.
        self.default = default
        #: Errors in the settings' own schedules.
        self.issues = tuple(faults)

    def choose(self, node: Node, settings: NodeSettings) -> ScheduleChoice:
        """The node's own schedule, or the default one; shifted where the node asks for it."""
        text = settings.schedule or self._settings.default
        if settings.schedule is None and not settings.schedule_shift:
            return self.default
        key = (text, settings.schedule_shift, settings.schedule_shift_unit)
        if key not in self._seen:
            rule = f"the node's `schedule: {text}`" if settings.schedule else self.default.because
            if settings.schedule_shift:
                rule += f", shifted by {settings.schedule_shift} {settings.schedule_shift_unit}(s)"
            self._seen[key] = self._read(*key, rule)
        return self._seen[key]

    def read(self, text: str, because: str) -> ScheduleChoice:
        """A schedule that the settings name."""
        return self._read(text, 0, "minute", because)

    def _read(self, text: str, shift: int, unit: str, because: str) -> ScheduleChoice:
        try:
            schedule = parse_schedule(text, shift=shift, unit=unit, named=self._settings.named, timezone=self._timezone)
        except ScheduleError as fault:
            return ScheduleChoice(parse_schedule("@daily", timezone=self._timezone), because, fault)
        return ScheduleChoice(schedule, because)


def _settings_issue(fault: ScheduleError, key: str, file: str) -> Issue:
    return error(fault.code, fault.message, fault.fix, file=file, key=key)
