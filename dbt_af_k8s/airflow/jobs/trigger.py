"""The part of waiting for a job that runs in Airflow's triggerer, so that it takes no worker slot."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from airflow.triggers.base import BaseTrigger, TriggerEvent

from dbt_af_k8s.airflow.cluster_calls import said_by
from dbt_af_k8s.jobs.run import state_of, suspension
from dbt_af_k8s.jobs.sidecars import HeldUp
from dbt_af_k8s.jobs.verdict import progress_of
from dbt_af_k8s.k8s.cluster import ClusterAccess

#: So many looks in a row may fail before the task is woken to see for itself.
_MOST_FAULTS = 10


class KubernetesJobTemplateTrigger(BaseTrigger):
    """Looks at a job until it is over or gone, or until it is time for the task to look at logs and pods itself.

    All arguments are plain JSON values: `access` holds the fields of `ClusterAccess`, `poll_every` and `look_after` are
    in seconds (None: the task does not want to look), `on_kill_action` is `delete`, `suspend` or `keep`.

    Fires one event, `{"job": ...}`, with the job that is over; null where the task is to look itself.
    """

    def __init__(
        self,
        access: dict[str, Any],
        namespace: str,
        name: str,
        uid: str,
        poll_every: float,
        look_after: float | None,
        on_kill_action: str,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.access = access
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.poll_every = poll_every
        self.look_after = look_after
        self.on_kill_action = on_kill_action
        self._held_up = HeldUp()

    @classmethod
    def of(
        cls,
        access: ClusterAccess,
        job: dict[str, Any],
        poll_every: float,
        look_after: float | None,
        on_kill_action: str,
    ) -> "KubernetesJobTemplateTrigger":
        """The trigger for a job as the API gives it."""
        metadata = job["metadata"]
        return cls(
            asdict(access),
            str(metadata["namespace"]),
            str(metadata["name"]),
            str(metadata["uid"]),
            poll_every,
            look_after,
            on_kill_action,
        )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and its arguments, as Airflow stores them."""
        names = ("access", "namespace", "name", "uid", "poll_every", "look_after", "on_kill_action")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Sleep, and look, and sleep again."""
        begun = asyncio.get_running_loop().time()
        faults = 0
        job: dict[str, Any] | None = None
        while faults < _MOST_FAULTS:
            # It sleeps first: a task that resumes before the scheduler has heard of its deferral is taken for dead.
            await asyncio.sleep(self.poll_every)
            try:
                job = await self._job()
                faults = 0
            except Exception as failed:  # noqa: BLE001 - a triggerer serves many tasks; the task finds out why
                faults += 1
                self.log.warning("Looking at Job %s/%s failed: %s", self.namespace, self.name, failed)
                continue
            if job is None or job["metadata"]["uid"] != self.uid:
                job = None
                break
            if state_of(job) != "running":
                break
            await self._tell_held_up(job)
            if self._is_time_to_look(job, asyncio.get_running_loop().time() - begun):
                job = None
                break
        yield TriggerEvent({"job": job})  # type: ignore[no-untyped-call]

    async def _tell_held_up(self, job: dict[str, Any]) -> None:
        """One line for each pod whose work has ended while another container goes on, so that the job cannot end."""
        if not self._held_up.is_due(progress_of(job), asyncio.get_running_loop().time()):
            return
        try:
            pods = await self._pods()
        except Exception as failed:  # noqa: BLE001 - it is a help; the job's end is what counts
            self.log.warning("Looking for the pods of Job %s/%s failed: %s", self.namespace, self.name, failed)
            return
        for line in self._held_up.news(pods, datetime.now(UTC)):
            self.log.warning("%s", line)

    async def _pods(self) -> list[dict[str, Any]]:
        from kubernetes_asyncio.client import CoreV1Api

        async with (await self._hook()).get_conn() as client:
            selector = f"batch.kubernetes.io/controller-uid={self.uid}"
            found = await CoreV1Api(client).list_namespaced_pod(self.namespace, label_selector=selector)
            return [client.sanitize_for_serialization(pod) for pod in found.items]

    def _is_time_to_look(self, job: dict[str, Any], seconds: float) -> bool:
        return self.look_after is not None and seconds >= self.look_after and bool(progress_of(job).active)

    async def _job(self) -> dict[str, Any] | None:
        from kubernetes_asyncio.client import BatchV1Api
        from kubernetes_asyncio.client.exceptions import ApiException

        async with (await self._hook()).get_conn() as client:
            try:
                found = await BatchV1Api(client).read_namespaced_job(self.name, self.namespace)
            except ApiException as failed:
                if failed.status == 404:
                    return None
                raise RuntimeError(said_by(failed)) from None
            plain: dict[str, Any] = client.sanitize_for_serialization(found)
            return plain

    async def _hook(self) -> Any:
        from airflow.providers.cncf.kubernetes.hooks.kubernetes import AsyncKubernetesHook

        access = ClusterAccess(**self.access)
        # The asynchronous hook passes over `config_file`, so we read it, here where it is needed: its credentials have
        # no business in Airflow's database.
        return AsyncKubernetesHook(
            conn_id=access.conn_id,
            config_dict=await asyncio.to_thread(_read_config, access.config_file) if access.config_file else None,
            cluster_context=access.context,
            in_cluster=access.in_cluster,
        )

    async def on_kill(self) -> None:
        """Do with the job what the task would have done (Airflow 3.3 and later call this when a task is killed)."""
        from kubernetes_asyncio.client import BatchV1Api

        if self.on_kill_action == "keep":
            return
        async with (await self._hook()).get_conn() as client:
            api = BatchV1Api(client)
            if self.on_kill_action == "suspend":
                await api.patch_namespaced_job(self.name, self.namespace, suspension(True))
            else:
                await api.delete_namespaced_job(self.name, self.namespace, propagation_policy="Background")


def _read_config(path: str) -> Any:
    with Path(path).open("rb") as stream:
        return yaml.safe_load(stream)
