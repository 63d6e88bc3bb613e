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

/** Gates of stage alpha that have an effect here: off unless they, or all of their stage, are switched on. */
const ALPHA_GATES = ["ComponentFlagz", "ComponentStatusz", "LoggingAlphaOptions"] as const;

/** Gates that have an effect here, and are on while nobody sets them. */
const BETA_GATES = ["MultiCIDRServiceAllocator", "PreferSameTrafficDistribution"] as const;

const EFFECTIVE: ReadonlySet<string> = new Set(["AllAlpha", ...ALPHA_GATES, ...BETA_GATES]);

type EffectiveGate = (typeof ALPHA_GATES)[number] | (typeof BETA_GATES)[number];

/** Whether each gate that has an effect is on, and the others as they are set. */
export function gatesInForce(
  set: Readonly<Record<string, boolean>>,
): Readonly<Record<EffectiveGate, boolean> & Record<string, boolean>> {
  const on = (gates: readonly EffectiveGate[], value: boolean) =>
    Object.fromEntries(gates.map((gate) => [gate, value])) as Record<EffectiveGate, boolean>;
  return { ...on(ALPHA_GATES, set.AllAlpha ?? false), ...on(BETA_GATES, true), ...set };
}

/** The gates among these that are known but change nothing here. */
export function gatesWithoutEffect(names: readonly string[]): string[] {
  return names.filter((name) => !EFFECTIVE.has(name));
}

/** Gates of other components, as of Kubernetes 1.35 and a few retired since 1.31. */
const OTHER_GATES = `
  APIResponseCompression APIServerIdentity APIServerTracing APIServingWithRoutine AggregatedDiscoveryRemoveBetaType
  AllowDNSOnlyNodeCSR AllowInsecureKubeletCertificateSigningRequests AllowOverwriteTerminationGracePeriodSeconds
  AllowParsingUserUIDFromCertAuth AllowServiceLBStatusOnNonLB AllowUnsafeMalformedObjectDeletion
  AnonymousAuthConfigurableEndpoints AnyVolumeDataSource AppArmor AppArmorFields AuthorizeNodeWithSelectors
  AuthorizePodWebsocketUpgradeCreatePermission AuthorizeWithSelectors BtreeWatchCache CBORServingAndStorage
  CPUCFSQuotaPeriod CPUManager CPUManagerPolicyAlphaOptions CPUManagerPolicyBetaOptions CPUManagerPolicyOptions
  CRDObservedGenerationTracking CRDValidationRatcheting CSIMigrationPortworx CSIServiceAccountTokenSecrets
  CSIVolumeHealth ChangeContainerStatusOnKubeletRestart ClearingNominatedNodeNameAfterBinding ClientsAllowCBOR
  ClientsPreferCBOR CloudControllerManagerWatchBasedRoutesReconciliation CloudControllerManagerWebhook
  ClusterTrustBundle ClusterTrustBundleProjection ConcurrentWatchObjectDecode ConsistentListFromCache
  ConstrainedImpersonation ContainerCheckpoint ContainerRestartRules ContainerStopSignals CoordinatedLeaderElection
  CronJobsScheduledAnnotation CrossNamespaceVolumeDataSource CustomCPUCFSQuotaPeriod CustomResourceFieldSelectors
  DRAAdminAccess DRAConsumableCapacity DRADeviceBindingConditions DRADeviceTaintRules DRADeviceTaints
  DRAExtendedResource DRAPartitionableDevices DRAPrioritizedList DRAResourceClaimDeviceStatus
  DRASchedulerFilterTimeout DeclarativeValidation DeclarativeValidationTakeover
  DeploymentReplicaSetTerminatingReplicas DetectCacheInconsistency DevicePluginCDIDevices DisableAllocatorDualWrite
  DisableCPUQuotaWithExclusiveCPUs DisableCloudProviders DisableKubeletCloudCredentialProviders
  DisableNodeKubeProxyVersion DynamicResourceAllocation EnvFiles EventedPLEG ExecProbeTimeout
  ExternalServiceAccountTokenSigner GangScheduling GenericWorkload GitRepoVolumeDriver GracefulNodeShutdown
  GracefulNodeShutdownBasedOnPodPriority HPAConfigurableTolerance HPAContainerMetrics HPAScaleToZero
  HonorPVReclaimPolicy HostnameOverride ImageMaximumGCAge ImageVolume ImageVolumeWithDigest InOrderInformers
  InOrderInformersBatchProcess InPlacePodLevelResourcesVerticalScaling InPlacePodVerticalScaling
  InPlacePodVerticalScalingAllocatedStatus InPlacePodVerticalScalingExclusiveCPUs
  InPlacePodVerticalScalingExclusiveMemory InTreePluginPortworxUnregister InformerResourceVersion
  JobBackoffLimitPerIndex JobManagedBy JobPodFailurePolicy JobPodReplacementPolicy JobSuccessPolicy KMSv1
  KubeletCgroupDriverFromCRI KubeletCrashLoopBackOffMax KubeletEnsureSecretPulledImages KubeletFineGrainedAuthz
  KubeletInUserNamespace KubeletPSI KubeletPodResourcesDynamicResources KubeletPodResourcesGet
  KubeletPodResourcesListUseActivePods KubeletRegistrationGetOnExistsOnly KubeletSeparateDiskGC
  KubeletServiceAccountTokenForCredentialProviders KubeletTracing LegacySidecarContainers ListFromCacheSnapshot
  LocalStorageCapacityIsolationFSQuotaMonitoring LogarithmicScaleDown MatchLabelKeysInPodAffinity
  MatchLabelKeysInPodTopologySpread MatchLabelKeysInPodTopologySpreadSelectorMerge MaxUnavailableStatefulSet
  MemoryManager MemoryQoS MutableCSINodeAllocatableCount MutablePVNodeAffinity MutablePodResourcesForSuspendedJobs
  MutableSchedulingDirectivesForSuspendedJobs MutatingAdmissionPolicy NodeDeclaredFeatures
  NodeInclusionPolicyInPodTopologySpread NodeLogQuery NodeSwap NominatedNodeNameForExpectation OpenAPIEnums
  OpportunisticBatching OrderedNamespaceDeletion PDBUnhealthyPodEvictionPolicy PersistentVolumeLastPhaseTransitionTime
  PodAndContainerStatsFromCRI PodCertificateRequest PodDeletionCost PodIndexLabel PodLevelResources
  PodLifecycleSleepAction PodLifecycleSleepActionAllowZero PodLogsQuerySplitStreams PodObservedGenerationTracking
  PodReadyToStartContainersCondition PodSchedulingReadiness PodTopologyLabelsAdmission PortForwardWebsockets
  PreventStaticPodAPIReferences ProcMountType QOSReserved RecoverVolumeExpansionFailure RecursiveReadOnlyMounts
  ReduceDefaultCrashLoopBackOffDecay RelaxedDNSSearchValidation RelaxedEnvironmentVariableValidation
  RelaxedServiceNameValidation ReloadKubeletServerCertificateFile RemoteRequestHeaderUID
  ResilientWatchCacheInitialization ResourceHealthStatus RestartAllContainersOnContainerExits RetryGenerateName
  RotateKubeletServerCertificate RuntimeClassInImageCriApi SELinuxChangePolicy SELinuxMount
  SELinuxMountReadWriteOncePod SchedulerAsyncAPICalls SchedulerAsyncPreemption SchedulerPopFromBackoffQ
  SchedulerQueueingHints SeparateCacheWatchRPC SeparateTaintEvictionController ServiceAccountNodeAudienceRestriction
  ServiceAccountTokenJTI ServiceAccountTokenNodeBinding ServiceAccountTokenNodeBindingValidation
  ServiceAccountTokenPodNodeInfo SidecarContainers SizeBasedListCostEstimate SizeMemoryBackedVolumes
  StatefulSetAutoDeletePVC StatefulSetSemanticRevisionComparison StorageCapacityScoring StorageNamespaceIndex
  StorageVersionAPI StorageVersionHash StorageVersionMigrator StreamingCollectionEncodingToJSON
  StreamingCollectionEncodingToProtobuf StrictCostEnforcementForVAP StrictCostEnforcementForWebhooks
  StrictIPCIDRValidation StructuredAuthenticationConfiguration StructuredAuthenticationConfigurationEgressSelector
  StructuredAuthenticationConfigurationJWKSMetrics StructuredAuthorizationConfiguration SupplementalGroupsPolicy
  SystemdWatchdog TaintTolerationComparisonOperators TokenRequestServiceAccountUIDValidation
  TopologyManagerPolicyAlphaOptions TopologyManagerPolicyBetaOptions TopologyManagerPolicyOptions
  TranslateStreamCloseWebsocketRequests UnauthenticatedHTTP2DOSMitigation UnknownVersionInteroperabilityProxy
  UserNamespacesHostNetworkSupport UserNamespacesPodSecurityStandards UserNamespacesSupport VolumeAttributesClass
  VolumeLimitScaling WatchCacheInitializationPostStartHook WatchFromStorageWithoutResourceVersion WatchListClient
  WindowsCPUAndMemoryAffinity WindowsGracefulNodeShutdown
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
