"""The wait for a pod in the triggerer: Airflow's own, whose copies of the log are the lines that the pod wrote."""

from functools import cached_property
from typing import Any

from airflow.providers.cncf.kubernetes.triggers.pod import KubernetesPodTrigger
from airflow.providers.cncf.kubernetes.utils.pod_manager import AsyncPodManager, PodManager, parse_log_line

from dbt_af_k8s.airflow.pods.objects import as_of_base
from dbt_af_k8s.dbt.log_frames import is_frame


class QuietPodTrigger(KubernetesPodTrigger):
    """Airflow's trigger, without a prefix before each line of the log, and without lines that are for machines."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and its arguments, as Airflow stores them."""
        return f"{type(self).__module__}.{type(self).__qualname__}", super().serialize()[1]

    @cached_property
    def pod_manager(self) -> AsyncPodManager:
        """One that copies a log as it is."""
        return _PlainLog(async_hook=self.hook)


class _PlainLog(AsyncPodManager):
    async def read_pod(self, pod: Any) -> Any:
        """For the wait for its start: the script's container counts."""
        return as_of_base(await super().read_pod(pod))

    def _emit_container_logs(self, logs: list[str], now: Any, container_name: str) -> None:
        """The lines before the current second: its other lines come with the next look."""
        for line in logs:
            moment, message = parse_log_line(line)
            if moment is not None and moment.replace(microsecond=0) == now.replace(microsecond=0):
                return
            if message and not is_frame(message):
                # With the level that the line names, as where the worker follows the log.
                PodManager._log_message(self, message.rstrip("\n"), container_name, False, None)  # type: ignore[arg-type]


def quiet_trigger(trigger: Any) -> Any:
    """Our trigger instead of Airflow's own; that of a cloud's provider stays what it is."""
    return QuietPodTrigger(**trigger.serialize()[1]) if type(trigger) is KubernetesPodTrigger else trigger
