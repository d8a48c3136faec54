"""What fields the parts of a Kubernetes pod or job have, and of which type; from the published schema of 1.37.

One row per type. A word is a field: `!` after its name says that it is required; after a colon stands its type, text
where none is written. `[X@key]` is a list that Kubernetes itself merges by that key of its items.
"""

from collections.abc import Mapping
from dataclasses import dataclass

#: Written by the test of this module out of the schema; not by hand.
_TABLE = {
    "AWSElasticBlockStoreVolumeSource": "fsType partition:int readOnly:bool volumeID!",
    "Affinity": "nodeAffinity:NodeAffinity podAffinity:PodAffinity podAntiAffinity:PodAntiAffinity",
    "AppArmorProfile": "localhostProfile type!",
    "AzureDiskVolumeSource": "cachingMode diskName! diskURI! fsType kind readOnly:bool",
    "AzureFileVolumeSource": "readOnly:bool secretName! shareName!",
    "CSIVolumeSource": "driver! fsType nodePublishSecretRef:LocalObjectReference readOnly:bool volumeAttributes:{text}",
    "Capabilities": "add:[text] drop:[text]",
    "CephFSVolumeSource": "monitors!:[text] path readOnly:bool secretFile secretRef:LocalObjectReference user",
    "CinderVolumeSource": "fsType readOnly:bool secretRef:LocalObjectReference volumeID!",
    "ClusterTrustBundleProjection": "labelSelector:LabelSelector name optional:bool path! signerName user:int",
    "ConfigMapEnvSource": "name optional:bool",
    "ConfigMapKeySelector": "key! name optional:bool",
    "ConfigMapProjection": "items:[KeyToPath] name optional:bool",
    "ConfigMapVolumeSource": "defaultMode:int defaultUser:int items:[KeyToPath] name optional:bool",
    "Container": (
        "args:[text] command:[text] env:[EnvVar@name] envFrom:[EnvFromSource] image imagePullPolicy "
        "lifecycle:Lifecycle livenessProbe:Probe name! ports:[ContainerPort@containerPort] readinessProbe:Probe "
        "resizePolicy:[ContainerResizePolicy] resources:ResourceRequirements restartPolicy "
        "restartPolicyRules:[ContainerRestartRule] securityContext:SecurityContext startupProbe:Probe stdin:bool "
        "stdinOnce:bool terminationMessagePath terminationMessagePolicy tty:bool "
        "volumeDevices:[VolumeDevice@devicePath] volumeMounts:[VolumeMount@mountPath] workingDir"
    ),
    "ContainerPort": "containerPort!:int hostIP hostPort:int name protocol",
    "ContainerResizePolicy": "resourceName! restartPolicy!",
    "ContainerRestartRule": "action! exitCodes:ContainerRestartRuleOnExitCodes",
    "ContainerRestartRuleOnExitCodes": "operator! values:[int]",
    "DownwardAPIProjection": "items:[DownwardAPIVolumeFile]",
    "DownwardAPIVolumeFile": (
        "fieldRef:ObjectFieldSelector mode:int path! resourceFieldRef:ResourceFieldSelector user:int"
    ),
    "DownwardAPIVolumeSource": "defaultMode:int defaultUser:int items:[DownwardAPIVolumeFile]",
    "EmptyDirVolumeSource": "medium mode:int sizeLimit:quantity",
    "EnvFromSource": "configMapRef:ConfigMapEnvSource prefix secretRef:SecretEnvSource",
    "EnvVar": "name! value valueFrom:EnvVarSource",
    "EnvVarSource": (
        "configMapKeyRef:ConfigMapKeySelector fieldRef:ObjectFieldSelector fileKeyRef:FileKeySelector "
        "resourceFieldRef:ResourceFieldSelector secretKeyRef:SecretKeySelector"
    ),
    "EphemeralVolumeSource": "volumeClaimTemplate:PersistentVolumeClaimTemplate",
    "EvictionResponder": "name! priority!:int",
    "ExecAction": "command:[text]",
    "FCVolumeSource": "fsType lun:int readOnly:bool targetWWNs:[text] wwids:[text]",
    "FileKeySelector": "key! optional:bool path! volumeName!",
    "FlexVolumeSource": "driver! fsType options:{text} readOnly:bool secretRef:LocalObjectReference",
    "FlockerVolumeSource": "datasetName datasetUUID",
    "GCEPersistentDiskVolumeSource": "fsType partition:int pdName! readOnly:bool",
    "GRPCAction": "mode port!:int service",
    "GitRepoVolumeSource": "directory repository! revision",
    "GlusterfsVolumeSource": "endpoints! path! readOnly:bool",
    "HTTPGetAction": "host httpHeaders:[HTTPHeader] path port!:port protocol scheme",
    "HTTPHeader": "name! value!",
    "HostAlias": "hostnames:[text] ip!",
    "HostPathVolumeSource": "path! type",
    "ISCSIVolumeSource": (
        "chapAuthDiscovery:bool chapAuthSession:bool fsType initiatorName iqn! iscsiInterface lun!:int portals:[text] "
        "readOnly:bool secretRef:LocalObjectReference targetPortal!"
    ),
    "ImageVolumeSource": "pullPolicy reference",
    "JobSchedulingConfiguration": (
        "disruptionMode:WorkloadPodGroupDisruptionMode resourceClaims:[WorkloadPodGroupResourceClaim@name] "
        "schedulingConstraints:WorkloadPodGroupSchedulingConstraints "
        "schedulingPolicy:WorkloadPodGroupSchedulingPolicy"
    ),
    "JobSpec": (
        "activeDeadlineSeconds:int backoffLimit:int backoffLimitPerIndex:int completionMode completions:int managedBy "
        "manualSelector:bool maxFailedIndexes:int parallelism:int podFailurePolicy:PodFailurePolicy "
        "podReplacementPolicy scheduling:JobSchedulingConfiguration selector:LabelSelector "
        "successPolicy:SuccessPolicy suspend:bool template!:PodTemplateSpec ttlSecondsAfterFinished:int"
    ),
    "KeyToPath": "key! mode:int path! user:int",
    "LabelSelector": "matchExpressions:[LabelSelectorRequirement] matchLabels:{text}",
    "LabelSelectorRequirement": "key! operator! values:[text]",
    "Lifecycle": "postStart:LifecycleHandler preStop:LifecycleHandler stopSignal",
    "LifecycleHandler": "exec:ExecAction httpGet:HTTPGetAction sleep:SleepAction tcpSocket:TCPSocketAction",
    "LocalObjectReference": "name",
    "NFSVolumeSource": "path! readOnly:bool server!",
    "NodeAffinity": (
        "preferredDuringSchedulingIgnoredDuringExecution:[PreferredSchedulingTerm] "
        "requiredDuringSchedulingIgnoredDuringExecution:NodeSelector"
    ),
    "NodeSelector": "nodeSelectorTerms!:[NodeSelectorTerm]",
    "NodeSelectorRequirement": "key! operator! values:[text]",
    "NodeSelectorTerm": "matchExpressions:[NodeSelectorRequirement] matchFields:[NodeSelectorRequirement]",
    "ObjectFieldSelector": "apiVersion fieldPath!",
    "ObjectMeta": (
        "annotations:{text} creationTimestamp deletionGracePeriodSeconds:int deletionTimestamp finalizers:[text] "
        "generateName generation:int labels:{text} name namespace ownerReferences:[OwnerReference@uid] "
        "resourceVersion selfLink uid"
    ),
    "OwnerReference": "apiVersion! blockOwnerDeletion:bool controller:bool kind! name! uid!",
    "PersistentVolumeClaimSpec": (
        "accessModes:[text] dataSource:TypedLocalObjectReference dataSourceRef:TypedObjectReference "
        "resources:VolumeResourceRequirements selector:LabelSelector storageClassName volumeAttributesClassName "
        "volumeMode volumeName"
    ),
    "PersistentVolumeClaimTemplate": "metadata:ObjectMeta spec!:PersistentVolumeClaimSpec",
    "PersistentVolumeClaimVolumeSource": "claimName! readOnly:bool",
    "PhotonPersistentDiskVolumeSource": "fsType pdID!",
    "PodAffinity": (
        "preferredDuringSchedulingIgnoredDuringExecution:[WeightedPodAffinityTerm] "
        "requiredDuringSchedulingIgnoredDuringExecution:[PodAffinityTerm]"
    ),
    "PodAffinityTerm": (
        "labelSelector:LabelSelector matchLabelKeys:[text] mismatchLabelKeys:[text] namespaceSelector:LabelSelector "
        "namespaces:[text] topologyKey!"
    ),
    "PodAntiAffinity": (
        "preferredDuringSchedulingIgnoredDuringExecution:[WeightedPodAffinityTerm] "
        "requiredDuringSchedulingIgnoredDuringExecution:[PodAffinityTerm]"
    ),
    "PodCertificateProjection": (
        "certificateChainPath credentialBundlePath keyPath keyType! maxExpirationSeconds:int signerName! user:int "
        "userAnnotations:{text}"
    ),
    "PodDNSConfig": "nameservers:[text] options:[PodDNSConfigOption] searches:[text]",
    "PodDNSConfigOption": "name value",
    "PodFailurePolicy": "rules!:[PodFailurePolicyRule]",
    "PodFailurePolicyOnExitCodesRequirement": "containerName operator! values!:[int]",
    "PodFailurePolicyOnPodConditionsPattern": "status type!",
    "PodFailurePolicyRule": (
        "action! onExitCodes:PodFailurePolicyOnExitCodesRequirement "
        "onPodConditions:[PodFailurePolicyOnPodConditionsPattern]"
    ),
    "PodOS": "name!",
    "PodReadinessGate": "conditionType!",
    "PodResourceClaim": "name! resourceClaimName resourceClaimTemplateName",
    "PodSchedulingGate": "name!",
    "PodSchedulingGroup": "podGroupName",
    "PodSecurityContext": (
        "appArmorProfile:AppArmorProfile fsGroup:int fsGroupChangePolicy runAsGroup:int runAsNonRoot:bool "
        "runAsUser:int seLinuxChangePolicy seLinuxOptions:SELinuxOptions seccompProfile:SeccompProfile "
        "supplementalGroups:[int] supplementalGroupsPolicy sysctls:[Sysctl] "
        "windowsOptions:WindowsSecurityContextOptions"
    ),
    "PodSpec": (
        "activeDeadlineSeconds:int affinity:Affinity automountServiceAccountToken:bool containers:[Container@name] "
        "dnsConfig:PodDNSConfig dnsPolicy enableServiceLinks:bool evictionResponders:[EvictionResponder@name] "
        "hostAliases:[HostAlias@ip] hostIPC:bool hostNetwork:bool hostPID:bool hostUsers:bool hostname "
        "hostnameOverride imagePullSecrets:[LocalObjectReference@name] initContainers:[Container@name] nodeName "
        "nodeSelector:{text} os:PodOS overhead:{quantity} preemptionPolicy priority:int priorityClassName "
        "readinessGates:[PodReadinessGate] resourceClaims:[PodResourceClaim@name] resources:ResourceRequirements "
        "restartPolicy runtimeClassName schedulerName schedulingGates:[PodSchedulingGate@name] "
        "schedulingGroup:PodSchedulingGroup securityContext:PodSecurityContext serviceAccount serviceAccountName "
        "setHostnameAsFQDN:bool shareProcessNamespace:bool subdomain terminationGracePeriodSeconds:int "
        "tolerations:[Toleration] topologySpreadConstraints:[TopologySpreadConstraint@topologyKey] "
        "volumes:[Volume@name]"
    ),
    "PodTemplateSpec": "metadata:ObjectMeta spec:PodSpec",
    "PortworxVolumeSource": "fsType readOnly:bool volumeID!",
    "PreferredSchedulingTerm": "preference!:NodeSelectorTerm weight!:int",
    "Probe": (
        "exec:ExecAction failureThreshold:int grpc:GRPCAction httpGet:HTTPGetAction initialDelaySeconds:int "
        "periodSeconds:int successThreshold:int tcpSocket:TCPSocketAction terminationGracePeriodSeconds:int "
        "timeoutSeconds:int"
    ),
    "ProjectedVolumeSource": "defaultMode:int defaultUser:int sources:[VolumeProjection]",
    "QuobyteVolumeSource": "group readOnly:bool registry! tenant user volume!",
    "RBDVolumeSource": "fsType image! keyring monitors!:[text] pool readOnly:bool secretRef:LocalObjectReference user",
    "ResourceClaim": "name! request",
    "ResourceFieldSelector": "containerName divisor:quantity resource!",
    "ResourceRequirements": "claims:[ResourceClaim] limits:{quantity} requests:{quantity}",
    "SELinuxOptions": "level role type user",
    "ScaleIOVolumeSource": (
        "fsType gateway! protectionDomain readOnly:bool secretRef!:LocalObjectReference sslEnabled:bool storageMode "
        "storagePool system! volumeName"
    ),
    "SeccompProfile": "localhostProfile type!",
    "SecretEnvSource": "name optional:bool",
    "SecretKeySelector": "key! name optional:bool",
    "SecretProjection": "items:[KeyToPath] name optional:bool",
    "SecretVolumeSource": "defaultMode:int defaultUser:int items:[KeyToPath] optional:bool secretName",
    "SecurityContext": (
        "allowPrivilegeEscalation:bool appArmorProfile:AppArmorProfile capabilities:Capabilities privileged:bool "
        "procMount readOnlyRootFilesystem:bool runAsGroup:int runAsNonRoot:bool runAsUser:int "
        "seLinuxOptions:SELinuxOptions seccompProfile:SeccompProfile windowsOptions:WindowsSecurityContextOptions"
    ),
    "ServiceAccountTokenProjection": "audience expirationSeconds:int path! user:int",
    "SleepAction": "seconds!:int",
    "StorageOSVolumeSource": "fsType readOnly:bool secretRef:LocalObjectReference volumeName volumeNamespace",
    "SuccessPolicy": "rules!:[SuccessPolicyRule]",
    "SuccessPolicyRule": "succeededCount:int succeededIndexes",
    "Sysctl": "name! value!",
    "TCPSocketAction": "host port!:port",
    "Toleration": "effect key operator tolerationSeconds:int value",
    "TopologyConstraint": "key!",
    "TopologySpreadConstraint": (
        "labelSelector:LabelSelector matchLabelKeys:[text] maxSkew!:int minDomains:int nodeAffinityPolicy "
        "nodeTaintsPolicy topologyKey! whenUnsatisfiable!"
    ),
    "TypedLocalObjectReference": "apiGroup kind! name!",
    "TypedObjectReference": "apiGroup kind! name! namespace",
    "Volume": (
        "awsElasticBlockStore:AWSElasticBlockStoreVolumeSource azureDisk:AzureDiskVolumeSource "
        "azureFile:AzureFileVolumeSource cephfs:CephFSVolumeSource cinder:CinderVolumeSource "
        "configMap:ConfigMapVolumeSource csi:CSIVolumeSource downwardAPI:DownwardAPIVolumeSource "
        "emptyDir:EmptyDirVolumeSource ephemeral:EphemeralVolumeSource fc:FCVolumeSource flexVolume:FlexVolumeSource "
        "flocker:FlockerVolumeSource gcePersistentDisk:GCEPersistentDiskVolumeSource gitRepo:GitRepoVolumeSource "
        "glusterfs:GlusterfsVolumeSource hostPath:HostPathVolumeSource image:ImageVolumeSource "
        "iscsi:ISCSIVolumeSource name! nfs:NFSVolumeSource persistentVolumeClaim:PersistentVolumeClaimVolumeSource "
        "photonPersistentDisk:PhotonPersistentDiskVolumeSource portworxVolume:PortworxVolumeSource "
        "projected:ProjectedVolumeSource quobyte:QuobyteVolumeSource rbd:RBDVolumeSource scaleIO:ScaleIOVolumeSource "
        "secret:SecretVolumeSource storageos:StorageOSVolumeSource vsphereVolume:VsphereVirtualDiskVolumeSource"
    ),
    "VolumeDevice": "devicePath! name!",
    "VolumeMount": (
        "bindMountOptions:[text] mountPath! mountPropagation name! readOnly:bool recursiveReadOnly subPath subPathExpr"
    ),
    "VolumeProjection": (
        "clusterTrustBundle:ClusterTrustBundleProjection configMap:ConfigMapProjection "
        "downwardAPI:DownwardAPIProjection podCertificate:PodCertificateProjection secret:SecretProjection "
        "serviceAccountToken:ServiceAccountTokenProjection"
    ),
    "VolumeResourceRequirements": "limits:{quantity} requests:{quantity}",
    "VsphereVirtualDiskVolumeSource": "fsType storagePolicyID storagePolicyName volumePath!",
    "WeightedPodAffinityTerm": "podAffinityTerm!:PodAffinityTerm weight!:int",
    "WindowsSecurityContextOptions": "gmsaCredentialSpec gmsaCredentialSpecName hostProcess:bool runAsUserName",
    "WorkloadPodGroupAllDisruptionMode": "",
    "WorkloadPodGroupBasicSchedulingPolicy": "",
    "WorkloadPodGroupDisruptionMode": (
        "all:WorkloadPodGroupAllDisruptionMode single:WorkloadPodGroupSingleDisruptionMode"
    ),
    "WorkloadPodGroupGangSchedulingPolicy": "minCount:int",
    "WorkloadPodGroupResourceClaim": "name! resourceClaimName resourceClaimTemplateName",
    "WorkloadPodGroupSchedulingConstraints": "topology:[TopologyConstraint]",
    "WorkloadPodGroupSchedulingPolicy": (
        "basic:WorkloadPodGroupBasicSchedulingPolicy gang:WorkloadPodGroupGangSchedulingPolicy"
    ),
    "WorkloadPodGroupSingleDisruptionMode": "",
}


@dataclass(frozen=True, slots=True)
class FieldType:
    """Type of one field of a Kubernetes object."""

    #: `text`, `int`, `bool`, `number`, `quantity`, `port` (a number or a name), or the name of another type.
    kind: str
    #: `one`, `list` or `map` (of text to `kind`).
    shape: str = "one"
    is_required: bool = False
    #: Of a list: the key of an item by which Kubernetes merges, or None where the list is one value.
    merge_key: str | None = None

    @property
    def is_object(self) -> bool:
        """Whether `kind` is another type of the table."""
        return self.kind[:1].isupper()


def _field(word: str) -> tuple[str, FieldType]:
    name, _, kind = word.partition(":")
    is_required = name.endswith("!")
    name = name.removesuffix("!")
    if kind.startswith("["):
        item, _, merge_key = kind[1:-1].partition("@")
        return name, FieldType(item, "list", is_required, merge_key or None)
    if kind.startswith("{"):
        return name, FieldType(kind[1:-1], "map", is_required)
    return name, FieldType(kind or "text", "one", is_required)


_TYPES: Mapping[str, Mapping[str, FieldType]] = {name: dict(map(_field, row.split())) for name, row in _TABLE.items()}


def fields_of(type_name: str) -> Mapping[str, FieldType]:
    """The fields of a type by name. KeyError for a type that neither pod nor job has."""
    return _TYPES[type_name]
