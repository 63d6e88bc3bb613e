/**
 * Feature gates: one list of names serves all Kubernetes components, and clusters hand the same list to every one of
 * them, so the gates of the others are known here too.
 */
import { suggest } from "./suggest.ts";

/** Gates that upstream's kube-proxy or the code it shares with other components reads, and the two group switches. */
const PROXY_GATES = `
  AllAlpha AllBeta ComponentFlagz ComponentSLIs ComponentStatusz ContextualLogging KubeProxyDrainingTerminatingNodes
  KubeProxyIPVS KubeProxyNFTablesLocalhostNodePorts LoadBalancerIPMode LoggingAlphaOptions LoggingBetaOptions
  MultiCIDRServiceAllocator NFTablesNetlink NFTablesProxyMode PreferSameTrafficDistribution
  ServiceTrafficDistribution TopologyAwareHints WatchList WinDSR WinOverlay WindowsHostNetwork
`;

/** Gates that change what this program does. */
const EFFECTIVE = new Set(["MultiCIDRServiceAllocator", "PreferSameTrafficDistribution"]);

/** The gates among these that are known but change nothing here. */
export function gatesWithoutEffect(names: readonly string[]): string[] {
  return names.filter((name) => !EFFECTIVE.has(name));
}

/** Gates of other components, as of Kubernetes 1.34 and a few retired since 1.31. */
const OTHER_GATES = `
  APIResponseCompression APIServerIdentity APIServerTracing APIServingWithRoutine AggregatedDiscoveryRemoveBetaType
  AllowDNSOnlyNodeCSR AllowInsecureKubeletCertificateSigningRequests AllowOverwriteTerminationGracePeriodSeconds
  AllowParsingUserUIDFromCertAuth AllowServiceLBStatusOnNonLB AllowUnsafeMalformedObjectDeletion
  AnonymousAuthConfigurableEndpoints AnyVolumeDataSource AppArmor AppArmorFields AuthorizeNodeWithSelectors
  AuthorizeWithSelectors BtreeWatchCache CBORServingAndStorage CPUCFSQuotaPeriod CPUManager
  CPUManagerPolicyAlphaOptions CPUManagerPolicyBetaOptions CPUManagerPolicyOptions CRDValidationRatcheting
  CSIMigrationPortworx CSIVolumeHealth ClearingNominatedNodeNameAfterBinding CloudControllerManagerWebhook
  ClusterTrustBundle ClusterTrustBundleProjection ConcurrentWatchObjectDecode ConsistentListFromCache
  ContainerCheckpoint ContainerStopSignals CoordinatedLeaderElection CronJobsScheduledAnnotation
  CrossNamespaceVolumeDataSource CustomCPUCFSQuotaPeriod CustomResourceFieldSelectors DRAAdminAccess DRADeviceTaints
  DRAPartitionableDevices DRAPrioritizedList DRAResourceClaimDeviceStatus DRASchedulerFilterTimeout
  DeclarativeValidation DeclarativeValidationTakeover DeploymentReplicaSetTerminatingReplicas
  DetectCacheInconsistency DevicePluginCDIDevices DisableAllocatorDualWrite DisableCPUQuotaWithExclusiveCPUs
  DisableCloudProviders DisableKubeletCloudCredentialProviders DisableNodeKubeProxyVersion
  DynamicResourceAllocation EventedPLEG ExecProbeTimeout ExternalServiceAccountTokenSigner GitRepoVolumeDriver
  GracefulNodeShutdown GracefulNodeShutdownBasedOnPodPriority HPAConfigurableTolerance HPAContainerMetrics
  HPAScaleToZero HonorPVReclaimPolicy ImageMaximumGCAge ImageVolume InPlacePodVerticalScaling
  InPlacePodVerticalScalingAllocatedStatus InPlacePodVerticalScalingExclusiveCPUs InTreePluginPortworxUnregister
  JobBackoffLimitPerIndex JobManagedBy JobPodFailurePolicy JobPodReplacementPolicy JobSuccessPolicy KMSv1
  KubeletCgroupDriverFromCRI KubeletCrashLoopBackOffMax KubeletEnsureSecretPulledImages KubeletFineGrainedAuthz
  KubeletInUserNamespace KubeletPSI KubeletPodResourcesDynamicResources KubeletPodResourcesGet
  KubeletPodResourcesListUseActivePods KubeletRegistrationGetOnExistsOnly KubeletSeparateDiskGC
  KubeletServiceAccountTokenForCredentialProviders KubeletTracing LegacySidecarContainers ListFromCacheSnapshot
  LocalStorageCapacityIsolationFSQuotaMonitoring LogarithmicScaleDown MatchLabelKeysInPodAffinity
  MatchLabelKeysInPodTopologySpread MatchLabelKeysInPodTopologySpreadSelectorMerge MaxUnavailableStatefulSet
  MemoryManager MemoryQoS MutableCSINodeAllocatableCount MutatingAdmissionPolicy
  NodeInclusionPolicyInPodTopologySpread NodeLogQuery NodeSwap NominatedNodeNameForExpectation OpenAPIEnums
  OrderedNamespaceDeletion PDBUnhealthyPodEvictionPolicy PersistentVolumeLastPhaseTransitionTime
  PodAndContainerStatsFromCRI PodDeletionCost PodIndexLabel PodLevelResources PodLifecycleSleepAction
  PodLifecycleSleepActionAllowZero PodLogsQuerySplitStreams PodObservedGenerationTracking
  PodReadyToStartContainersCondition PodSchedulingReadiness PodTopologyLabelsAdmission PortForwardWebsockets
  PreventStaticPodAPIReferences ProcMountType QOSReserved RecoverVolumeExpansionFailure RecursiveReadOnlyMounts
  ReduceDefaultCrashLoopBackOffDecay RelaxedDNSSearchValidation RelaxedEnvironmentVariableValidation
  RelaxedServiceNameValidation ReloadKubeletServerCertificateFile RemoteRequestHeaderUID
  ResilientWatchCacheInitialization ResourceHealthStatus RetryGenerateName RotateKubeletServerCertificate
  RuntimeClassInImageCriAPI SELinuxChangePolicy SELinuxMount SELinuxMountReadWriteOncePod SchedulerAsyncAPICalls
  SchedulerAsyncPreemption SchedulerPopFromBackoffQ SchedulerQueueingHints SeparateCacheWatchRPC
  SeparateTaintEvictionController ServiceAccountNodeAudienceRestriction ServiceAccountTokenJTI
  ServiceAccountTokenNodeBinding ServiceAccountTokenNodeBindingValidation ServiceAccountTokenPodNodeInfo
  SidecarContainers SizeBasedListCostEstimate SizeMemoryBackedVolumes StatefulSetAutoDeletePVC
  StorageCapacityScoring StorageNamespaceIndex StorageVersionAPI StorageVersionHash StorageVersionMigrator
  StreamingCollectionEncodingToJSON StreamingCollectionEncodingToProtobuf StrictCostEnforcementForVAP
  StrictCostEnforcementForWebhooks StrictIPCIDRValidation StructuredAuthenticationConfiguration
  StructuredAuthenticationConfigurationEgressSelector StructuredAuthorizationConfiguration
  SupplementalGroupsPolicy SystemdWatchdog TokenRequestServiceAccountUIDValidation TopologyManagerPolicyAlphaOptions
  TopologyManagerPolicyBetaOptions TopologyManagerPolicyOptions TranslateStreamCloseWebsocketRequests
  UnauthenticatedHTTP2DOSMitigation UnknownVersionInteroperabilityProxy UserNamespacesPodSecurityStandards
  UserNamespacesSupport VolumeAttributesClass WatchCacheInitializationPostStartHook
  WatchFromStorageWithoutResourceVersion WindowsCPUAndMemoryAffinity WindowsGracefulNodeShutdown
`;

const KNOWN_GATES: ReadonlySet<string> = new Set(`${PROXY_GATES} ${OTHER_GATES}`.trim().split(/\s+/));

/** One line for each name that is no feature gate. */
export function unknownGates(names: Iterable<string>): string[] {
  const errors: string[] = [];
  for (const name of names) {
    if (KNOWN_GATES.has(name)) continue;
    const similar = suggest(name, KNOWN_GATES);
    const hint = similar === undefined ? "" : ` (did you mean ${similar}?)`;
    errors.push(`unrecognized feature gate: ${name}${hint}`);
  }
  return errors;
}

/** What gates that have an effect are while nobody sets them. */
export const DEFAULT_GATES: Readonly<Record<string, boolean>> = {
  MultiCIDRServiceAllocator: true,
  PreferSameTrafficDistribution: true,
};
