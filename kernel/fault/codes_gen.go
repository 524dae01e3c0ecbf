// Code generated from codes.tsv by go generate; DO NOT EDIT.

package fault

// The codes there are.
const (
	CodeAgentBuildCanceled               Code = "agent.build_canceled"
	CodeAgentDisksFailed                 Code = "agent.disks_failed"
	CodeAgentGuestNotRunning             Code = "agent.guest_not_running"
	CodeAgentGuestUnknown                Code = "agent.guest_unknown"
	CodeAgentHypervisorFailed            Code = "agent.hypervisor_failed"
	CodeAgentImageCorrupt                Code = "agent.image_corrupt"
	CodeAgentImageUnavailable            Code = "agent.image_unavailable"
	CodeAgentNoLocalRoot                 Code = "agent.no_local_root"
	CodeAgentNoSpace                     Code = "agent.no_space"
	CodeAgentPortUnavailable             Code = "agent.port_unavailable"
	CodeAgentServiceUnavailable          Code = "agent.service_unavailable"
	CodeAgentStaleDescription            Code = "agent.stale_description"
	CodeAgentVolumeUnavailable           Code = "agent.volume_unavailable"
	CodeAgentWiringFailed                Code = "agent.wiring_failed"
	CodeAuthUnauthenticated              Code = "auth.unauthenticated"
	CodeBusNobody                        Code = "bus.nobody"
	CodeComputeActionNotFound            Code = "compute.action_not_found"
	CodeComputeAggregateExists           Code = "compute.aggregate_exists"
	CodeComputeAggregateHost             Code = "compute.aggregate_host"
	CodeComputeAggregateInvalid          Code = "compute.aggregate_invalid"
	CodeComputeAggregateNotFound         Code = "compute.aggregate_not_found"
	CodeComputeApiRemoved                Code = "compute.api_removed"
	CodeComputeAttachmentNotFound        Code = "compute.attachment_not_found"
	CodeComputeBadBlockDevice            Code = "compute.bad_block_device"
	CodeComputeBadFilter                 Code = "compute.bad_filter"
	CodeComputeBadFlavor                 Code = "compute.bad_flavor"
	CodeComputeBadImage                  Code = "compute.bad_image"
	CodeComputeBadKeypair                Code = "compute.bad_keypair"
	CodeComputeBadNetwork                Code = "compute.bad_network"
	CodeComputeBadProject                Code = "compute.bad_project"
	CodeComputeBadRequest                Code = "compute.bad_request"
	CodeComputeBadUserData               Code = "compute.bad_user_data"
	CodeComputeBadZone                   Code = "compute.bad_zone"
	CodeComputeBuildFailed               Code = "compute.build_failed"
	CodeComputeBuildTimeout              Code = "compute.build_timeout"
	CodeComputeConsoleDenied             Code = "compute.console_denied"
	CodeComputeConsoleUnavailable        Code = "compute.console_unavailable"
	CodeComputeFlavorAccess              Code = "compute.flavor_access"
	CodeComputeFlavorAccessNotFound      Code = "compute.flavor_access_not_found"
	CodeComputeFlavorDiskTooSmall        Code = "compute.flavor_disk_too_small"
	CodeComputeFlavorExists              Code = "compute.flavor_exists"
	CodeComputeFlavorMemoryTooSmall      Code = "compute.flavor_memory_too_small"
	CodeComputeFlavorNotFound            Code = "compute.flavor_not_found"
	CodeComputeFlavorZeroDisk            Code = "compute.flavor_zero_disk"
	CodeComputeGroupNotFound             Code = "compute.group_not_found"
	CodeComputeHostInUse                 Code = "compute.host_in_use"
	CodeComputeHostUnavailable           Code = "compute.host_unavailable"
	CodeComputeHostUnknown               Code = "compute.host_unknown"
	CodeComputeInterfaceNotFound         Code = "compute.interface_not_found"
	CodeComputeKeypairExists             Code = "compute.keypair_exists"
	CodeComputeKeypairInvalid            Code = "compute.keypair_invalid"
	CodeComputeKeypairNotFound           Code = "compute.keypair_not_found"
	CodeComputeMetadataNotFound          Code = "compute.metadata_not_found"
	CodeComputeNetworkNotFound           Code = "compute.network_not_found"
	CodeComputeNetworkRefused            Code = "compute.network_refused"
	CodeComputeNoFloatingPool            Code = "compute.no_floating_pool"
	CodeComputeNoValidHost               Code = "compute.no_valid_host"
	CodeComputeQuotaBelowUse             Code = "compute.quota_below_use"
	CodeComputeQuotaExceeded             Code = "compute.quota_exceeded"
	CodeComputeRootDetach                Code = "compute.root_detach"
	CodeComputeServerLocked              Code = "compute.server_locked"
	CodeComputeServerNotFound            Code = "compute.server_not_found"
	CodeComputeServiceNotFound           Code = "compute.service_not_found"
	CodeComputeTagNotFound               Code = "compute.tag_not_found"
	CodeComputeTooMuchMetadata           Code = "compute.too_much_metadata"
	CodeComputeTraceNotFound             Code = "compute.trace_not_found"
	CodeComputeVolumeFailed              Code = "compute.volume_failed"
	CodeComputeVolumeInUse               Code = "compute.volume_in_use"
	CodeComputeWrongState                Code = "compute.wrong_state"
	CodeDbBusy                           Code = "db.busy"
	CodeDbStale                          Code = "db.stale"
	CodeFilevolumeBadSource              Code = "filevolume.bad_source"
	CodeFilevolumeBusy                   Code = "filevolume.busy"
	CodeFilevolumeNotFound               Code = "filevolume.not_found"
	CodeIdentityBusy                     Code = "identity.busy"
	CodeIdentityDirectoryDown            Code = "identity.directory_down"
	CodeIdentityDuplicate                Code = "identity.duplicate"
	CodeIdentityForbidden                Code = "identity.forbidden"
	CodeIdentityGone                     Code = "identity.gone"
	CodeIdentityInUse                    Code = "identity.in_use"
	CodeIdentityInvalid                  Code = "identity.invalid"
	CodeIdentityLimited                  Code = "identity.limited"
	CodeIdentityNotFound                 Code = "identity.not_found"
	CodeIdentityProviderDown             Code = "identity.provider_down"
	CodeImageBadContentType              Code = "image.bad_content_type"
	CodeImageConflict                    Code = "image.conflict"
	CodeImageConversionFailed            Code = "image.conversion_failed"
	CodeImageCorrupt                     Code = "image.corrupt"
	CodeImageFetchFailed                 Code = "image.fetch_failed"
	CodeImageFetchRefused                Code = "image.fetch_refused"
	CodeImageForbidden                   Code = "image.forbidden"
	CodeImageFormatMismatch              Code = "image.format_mismatch"
	CodeImageGone                        Code = "image.gone"
	CodeImageIdTaken                     Code = "image.id_taken"
	CodeImageImportFailed                Code = "image.import_failed"
	CodeImageImportOff                   Code = "image.import_off"
	CodeImageInvalid                     Code = "image.invalid"
	CodeImageMemberExists                Code = "image.member_exists"
	CodeImageMetadefExists               Code = "image.metadef_exists"
	CodeImageMetadefNotFound             Code = "image.metadef_not_found"
	CodeImageMetadefProtected            Code = "image.metadef_protected"
	CodeImageNoSpace                     Code = "image.no_space"
	CodeImageNoStore                     Code = "image.no_store"
	CodeImageNotFound                    Code = "image.not_found"
	CodeImageOverQuota                   Code = "image.over_quota"
	CodeImageProtected                   Code = "image.protected"
	CodeImageTaskKept                    Code = "image.task_kept"
	CodeImageTaskNotFound                Code = "image.task_not_found"
	CodeImageTooLarge                    Code = "image.too_large"
	CodeImageUnsafe                      Code = "image.unsafe"
	CodeImageUploadCut                   Code = "image.upload_cut"
	CodeMicroversionMalformed            Code = "microversion.malformed"
	CodeMicroversionUnsupported          Code = "microversion.unsupported"
	CodeNetlinksNotWired                 Code = "netlinks.not_wired"
	CodeNetlinksUnusable                 Code = "netlinks.unusable"
	CodeNetworkAddressExhausted          Code = "network.address_exhausted"
	CodeNetworkAddressGroupInUse         Code = "network.address_group_in_use"
	CodeNetworkAddressGroupNotFound      Code = "network.address_group_not_found"
	CodeNetworkAddressInUse              Code = "network.address_in_use"
	CodeNetworkAddressNotInSubnet        Code = "network.address_not_in_subnet"
	CodeNetworkAddressNotValid           Code = "network.address_not_valid"
	CodeNetworkAddressScopeInUse         Code = "network.address_scope_in_use"
	CodeNetworkAddressScopeNotFound      Code = "network.address_scope_not_found"
	CodeNetworkAgentNotFound             Code = "network.agent_not_found"
	CodeNetworkBadRequest                Code = "network.bad_request"
	CodeNetworkDefaultGroupExists        Code = "network.default_group_exists"
	CodeNetworkDefaultGroupFixed         Code = "network.default_group_fixed"
	CodeNetworkDefaultGroupKept          Code = "network.default_group_kept"
	CodeNetworkDeviceNotOwned            Code = "network.device_not_owned"
	CodeNetworkExtensionNotFound         Code = "network.extension_not_found"
	CodeNetworkExternalInUse             Code = "network.external_in_use"
	CodeNetworkFipAssociated             Code = "network.fip_associated"
	CodeNetworkFipPortTaken              Code = "network.fip_port_taken"
	CodeNetworkFipUnreachable            Code = "network.fip_unreachable"
	CodeNetworkFloatingipNotFound        Code = "network.floatingip_not_found"
	CodeNetworkGatewayInPool             Code = "network.gateway_in_pool"
	CodeNetworkGatewayInUse              Code = "network.gateway_in_use"
	CodeNetworkGatewayNeeded             Code = "network.gateway_needed"
	CodeNetworkInterfaceNeeded           Code = "network.interface_needed"
	CodeNetworkInterfaceNotFound         Code = "network.interface_not_found"
	CodeNetworkInterfaceNotOnSubnet      Code = "network.interface_not_on_subnet"
	CodeNetworkInterfaceRoute            Code = "network.interface_route"
	CodeNetworkInvalidCidr               Code = "network.invalid_cidr"
	CodeNetworkInvalidInput              Code = "network.invalid_input"
	CodeNetworkInvalidSharing            Code = "network.invalid_sharing"
	CodeNetworkMacInUse                  Code = "network.mac_in_use"
	CodeNetworkMalformed                 Code = "network.malformed"
	CodeNetworkNetworkInUse              Code = "network.network_in_use"
	CodeNetworkNetworkNotFound           Code = "network.network_not_found"
	CodeNetworkNoNetwork                 Code = "network.no_network"
	CodeNetworkNotFound                  Code = "network.not_found"
	CodeNetworkOverQuota                 Code = "network.over_quota"
	CodeNetworkPairsNeedSecurity         Code = "network.pairs_need_security"
	CodeNetworkPhysicalNetworkInUse      Code = "network.physical_network_in_use"
	CodeNetworkPoolBadPrefix             Code = "network.pool_bad_prefix"
	CodeNetworkPoolDelete                Code = "network.pool_delete"
	CodeNetworkPoolExhausted             Code = "network.pool_exhausted"
	CodeNetworkPoolInvalid               Code = "network.pool_invalid"
	CodeNetworkPoolOutside               Code = "network.pool_outside"
	CodeNetworkPoolOverlap               Code = "network.pool_overlap"
	CodeNetworkPoolQuota                 Code = "network.pool_quota"
	CodeNetworkPortForwardingConflict    Code = "network.port_forwarding_conflict"
	CodeNetworkPortForwardingNotFound    Code = "network.port_forwarding_not_found"
	CodeNetworkPortInUse                 Code = "network.port_in_use"
	CodeNetworkPortNotFound              Code = "network.port_not_found"
	CodeNetworkPortSecurityNeeded        Code = "network.port_security_needed"
	CodeNetworkPortSecurityWithGroups    Code = "network.port_security_with_groups"
	CodeNetworkQuotaUnknown              Code = "network.quota_unknown"
	CodeNetworkRbacExists                Code = "network.rbac_exists"
	CodeNetworkRbacNotFound              Code = "network.rbac_not_found"
	CodeNetworkRevision                  Code = "network.revision"
	CodeNetworkRouterInUse               Code = "network.router_in_use"
	CodeNetworkRouterNotFound            Code = "network.router_not_found"
	CodeNetworkRoutesInvalid             Code = "network.routes_invalid"
	CodeNetworkRuleExists                Code = "network.rule_exists"
	CodeNetworkRuleInvalid               Code = "network.rule_invalid"
	CodeNetworkSecurityGroupInUse        Code = "network.security_group_in_use"
	CodeNetworkSecurityGroupNotFound     Code = "network.security_group_not_found"
	CodeNetworkSecurityGroupRuleNotFound Code = "network.security_group_rule_not_found"
	CodeNetworkSegmentInUse              Code = "network.segment_in_use"
	CodeNetworkServicePort               Code = "network.service_port"
	CodeNetworkSubnetInUse               Code = "network.subnet_in_use"
	CodeNetworkSubnetMismatch            Code = "network.subnet_mismatch"
	CodeNetworkSubnetNotFound            Code = "network.subnet_not_found"
	CodeNetworkSubnetpoolNotFound        Code = "network.subnetpool_not_found"
	CodeNetworkTagNotFound               Code = "network.tag_not_found"
	CodeObjectstoreAccountGone           Code = "objectstore.account_gone"
	CodeObjectstoreAccountNotFound       Code = "objectstore.account_not_found"
	CodeObjectstoreArchiveMissing        Code = "objectstore.archive_missing"
	CodeObjectstoreBadManifest           Code = "objectstore.bad_manifest"
	CodeObjectstoreBadName               Code = "objectstore.bad_name"
	CodeObjectstoreBadPart               Code = "objectstore.bad_part"
	CodeObjectstoreBadSignature          Code = "objectstore.bad_signature"
	CodeObjectstoreContainerNotEmpty     Code = "objectstore.container_not_empty"
	CodeObjectstoreContainerNotFound     Code = "objectstore.container_not_found"
	CodeObjectstoreCorrupt               Code = "objectstore.corrupt"
	CodeObjectstoreEtagMismatch          Code = "objectstore.etag_mismatch"
	CodeObjectstoreExists                Code = "objectstore.exists"
	CodeObjectstoreNoSpace               Code = "objectstore.no_space"
	CodeObjectstoreObjectNotFound        Code = "objectstore.object_not_found"
	CodeObjectstorePolicyConflict        Code = "objectstore.policy_conflict"
	CodeObjectstoreQuotaExceeded         Code = "objectstore.quota_exceeded"
	CodeObjectstoreRefused               Code = "objectstore.refused"
	CodeObjectstoreSegmentChanged        Code = "objectstore.segment_changed"
	CodeObjectstoreSymlinkLoop           Code = "objectstore.symlink_loop"
	CodeObjectstoreSymlinkTarget         Code = "objectstore.symlink_target"
	CodeObjectstoreTooLarge              Code = "objectstore.too_large"
	CodeObjectstoreUploadCut             Code = "objectstore.upload_cut"
	CodeObjectstoreUploadNotFound        Code = "objectstore.upload_not_found"
	CodePageBadLimit                     Code = "page.bad_limit"
	CodePageBadMarker                    Code = "page.bad_marker"
	CodePageBadSort                      Code = "page.bad_sort"
	CodePlacementBadQuery                Code = "placement.bad_query"
	CodePlacementBadUnit                 Code = "placement.bad_unit"
	CodePlacementDuplicateName           Code = "placement.duplicate_name"
	CodePlacementDuplicateQuery          Code = "placement.duplicate_query"
	CodePlacementGenerationConflict      Code = "placement.generation_conflict"
	CodePlacementInvalid                 Code = "placement.invalid"
	CodePlacementInventoryInUse          Code = "placement.inventory_in_use"
	CodePlacementMissingQuery            Code = "placement.missing_query"
	CodePlacementNameExists              Code = "placement.name_exists"
	CodePlacementNameInUse               Code = "placement.name_in_use"
	CodePlacementNoInventory             Code = "placement.no_inventory"
	CodePlacementNoRoom                  Code = "placement.no_room"
	CodePlacementNotFound                Code = "placement.not_found"
	CodePlacementProviderHasChildren     Code = "placement.provider_has_children"
	CodePlacementProviderInUse           Code = "placement.provider_in_use"
	CodePlacementUnknownProvider         Code = "placement.unknown_provider"
	CodePolicyForbidden                  Code = "policy.forbidden"
	CodeQemuCopyFailed                   Code = "qemu.copy_failed"
	CodeQemuDiskInUse                    Code = "qemu.disk_in_use"
	CodeQemuDiskUnusable                 Code = "qemu.disk_unusable"
	CodeQemuGuestSilent                  Code = "qemu.guest_silent"
	CodeQemuMissing                      Code = "qemu.missing"
	CodeQemuNoFreeSlot                   Code = "qemu.no_free_slot"
	CodeQemuStartFailed                  Code = "qemu.start_failed"
	CodeQemuUnplugRefused                Code = "qemu.unplug_refused"
	CodeQemuUnsupported                  Code = "qemu.unsupported"
	CodeRestBadContentType               Code = "rest.bad_content_type"
	CodeRestBadJson                      Code = "rest.bad_json"
	CodeRestBadMethod                    Code = "rest.bad_method"
	CodeRestBodyTooLarge                 Code = "rest.body_too_large"
	CodeRestCanceled                     Code = "rest.canceled"
	CodeRestInternal                     Code = "rest.internal"
	CodeRestInvalidInput                 Code = "rest.invalid_input"
	CodeRestNotFound                     Code = "rest.not_found"
	CodeRestTooSlow                      Code = "rest.too_slow"
	CodeSagaCanceled                     Code = "saga.canceled"
	CodeSagaDeadline                     Code = "saga.deadline"
	CodeVolumeAttachmentNotFound         Code = "volume.attachment_not_found"
	CodeVolumeBackendFailed              Code = "volume.backend_failed"
	CodeVolumeBackupNotFound             Code = "volume.backup_not_found"
	CodeVolumeBadAuthKey                 Code = "volume.bad_auth_key"
	CodeVolumeBadBackup                  Code = "volume.bad_backup"
	CodeVolumeBadImage                   Code = "volume.bad_image"
	CodeVolumeBadSnapshot                Code = "volume.bad_snapshot"
	CodeVolumeBadType                    Code = "volume.bad_type"
	CodeVolumeConflict                   Code = "volume.conflict"
	CodeVolumeDefaultTypeNotFound        Code = "volume.default_type_not_found"
	CodeVolumeGroupNotFound              Code = "volume.group_not_found"
	CodeVolumeHostNotFound               Code = "volume.host_not_found"
	CodeVolumeInUseByServer              Code = "volume.in_use_by_server"
	CodeVolumeInvalidInput               Code = "volume.invalid_input"
	CodeVolumeMessageNotFound            Code = "volume.message_not_found"
	CodeVolumeMetadataNotFound           Code = "volume.metadata_not_found"
	CodeVolumeMetadataStale              Code = "volume.metadata_stale"
	CodeVolumeNoValidBackend             Code = "volume.no_valid_backend"
	CodeVolumeQosNotFound                Code = "volume.qos_not_found"
	CodeVolumeQuotaExceeded              Code = "volume.quota_exceeded"
	CodeVolumeServiceNotFound            Code = "volume.service_not_found"
	CodeVolumeServiceUnavailable         Code = "volume.service_unavailable"
	CodeVolumeSnapshotNotFound           Code = "volume.snapshot_not_found"
	CodeVolumeTransferNotFound           Code = "volume.transfer_not_found"
	CodeVolumeTypeNotFound               Code = "volume.type_not_found"
	CodeVolumeVolumeNotFound             Code = "volume.volume_not_found"
	CodeVolumeWrongState                 Code = "volume.wrong_state"
)

var definitions = map[Code]Definition{
	CodeAgentBuildCanceled:               {Code: CodeAgentBuildCanceled, Kind: Conflict, Type: "", Hint: "Look at what removed the server while it was being built.", Meaning: "The build was given up because the guest is being removed."},
	CodeAgentDisksFailed:                 {Code: CodeAgentDisksFailed, Kind: Unavailable, Type: "", Hint: "Look at the host's log; another host may do.", Meaning: "The host could not make the guest's disks."},
	CodeAgentGuestNotRunning:             {Code: CodeAgentGuestNotRunning, Kind: Conflict, Type: "", Hint: "Start the server first.", Meaning: "The guest does not run, so it cannot be asked."},
	CodeAgentGuestUnknown:                {Code: CodeAgentGuestUnknown, Kind: NotFound, Type: "", Hint: "Look at which host the server is on.", Meaning: "The host has no such guest."},
	CodeAgentHypervisorFailed:            {Code: CodeAgentHypervisorFailed, Kind: Unavailable, Type: "", Hint: "Look at the host's log; another host may do.", Meaning: "The hypervisor did not do what it was asked."},
	CodeAgentImageCorrupt:                {Code: CodeAgentImageCorrupt, Kind: Invalid, Type: "", Hint: "Upload the image again.", Meaning: "The image's bytes are not those its digest names."},
	CodeAgentImageUnavailable:            {Code: CodeAgentImageUnavailable, Kind: Invalid, Type: "", Hint: "Check that the image exists and is active.", Meaning: "The image service does not give the image out any more."},
	CodeAgentNoLocalRoot:                 {Code: CodeAgentNoLocalRoot, Kind: Invalid, Type: "", Hint: "Take a snapshot of the volume instead.", Meaning: "The guest's root disk is a volume, so the host has no copy to make."},
	CodeAgentNoSpace:                     {Code: CodeAgentNoSpace, Kind: Unavailable, Type: "", Hint: "Free room on the host, or let another host take it.", Meaning: "The host's disk is full."},
	CodeAgentPortUnavailable:             {Code: CodeAgentPortUnavailable, Kind: Invalid, Type: "", Hint: "Check that the port exists and is bound to this host.", Meaning: "The network service does not know one of the guest's ports."},
	CodeAgentServiceUnavailable:          {Code: CodeAgentServiceUnavailable, Kind: Unavailable, Type: "", Hint: "Look at the health of the service named; then try again.", Meaning: "A service that the host asked did not answer as it should."},
	CodeAgentStaleDescription:            {Code: CodeAgentStaleDescription, Kind: Conflict, Type: "", Hint: "Read the server again and repeat the change.", Meaning: "The host already has a newer description of the guest."},
	CodeAgentVolumeUnavailable:           {Code: CodeAgentVolumeUnavailable, Kind: Invalid, Type: "", Hint: "Detach the volume, or wait until it is available.", Meaning: "The volume service gives no connection for the attachment."},
	CodeAgentWiringFailed:                {Code: CodeAgentWiringFailed, Kind: Unavailable, Type: "", Hint: "Look at the host's log; another host may do.", Meaning: "The host's network could not be programmed."},
	CodeAuthUnauthenticated:              {Code: CodeAuthUnauthenticated, Kind: Unauthenticated, Type: "", Hint: "Get a new token from the identity service.", Meaning: "No token, or one that is not valid any more."},
	CodeBusNobody:                        {Code: CodeBusNobody, Kind: Unavailable, Type: "", Hint: "Look at 'altostack status' to see which hosts and services are up.", Meaning: "No process answers the subject."},
	CodeComputeActionNotFound:            {Code: CodeComputeActionNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "The server has no action with that request id."},
	CodeComputeAggregateExists:           {Code: CodeComputeAggregateExists, Kind: Conflict, Type: "", Hint: "Choose another name.", Meaning: "An aggregate of that name exists."},
	CodeComputeAggregateHost:             {Code: CodeComputeAggregateHost, Kind: Conflict, Type: "", Hint: "", Meaning: "The host cannot be put into the aggregate or taken out of it."},
	CodeComputeAggregateInvalid:          {Code: CodeComputeAggregateInvalid, Kind: Invalid, Type: "", Hint: "", Meaning: "The aggregate cannot be changed in this way."},
	CodeComputeAggregateNotFound:         {Code: CodeComputeAggregateNotFound, Kind: NotFound, Type: "", Hint: "List the aggregates.", Meaning: "No such aggregate, or the host is not in it."},
	CodeComputeApiRemoved:                {Code: CodeComputeApiRemoved, Kind: Gone, Type: "", Hint: "Use the service that took this API over.", Meaning: "The API was removed from OpenStack."},
	CodeComputeAttachmentNotFound:        {Code: CodeComputeAttachmentNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "The volume is not attached to the server."},
	CodeComputeBadBlockDevice:            {Code: CodeComputeBadBlockDevice, Kind: Invalid, Type: "", Hint: "", Meaning: "A block device mapping cannot be used."},
	CodeComputeBadFilter:                 {Code: CodeComputeBadFilter, Kind: Invalid, Type: "", Hint: "", Meaning: "A list's filter cannot be understood."},
	CodeComputeBadFlavor:                 {Code: CodeComputeBadFlavor, Kind: Invalid, Type: "", Hint: "Name an existing flavor.", Meaning: "The request names a flavor that it cannot use."},
	CodeComputeBadImage:                  {Code: CodeComputeBadImage, Kind: Invalid, Type: "", Hint: "Name an image that is active and visible to the project.", Meaning: "The request names an image that it cannot use."},
	CodeComputeBadKeypair:                {Code: CodeComputeBadKeypair, Kind: Invalid, Type: "", Hint: "Import the key pair first.", Meaning: "The request names a key pair that the user does not have."},
	CodeComputeBadNetwork:                {Code: CodeComputeBadNetwork, Kind: Invalid, Type: "", Hint: "List the networks.", Meaning: "The request names a network that it cannot use."},
	CodeComputeBadProject:                {Code: CodeComputeBadProject, Kind: Invalid, Type: "", Hint: "List the projects.", Meaning: "The request names a project that does not exist."},
	CodeComputeBadRequest:                {Code: CodeComputeBadRequest, Kind: Invalid, Type: "", Hint: "", Meaning: "The parts of the request contradict each other."},
	CodeComputeBadUserData:               {Code: CodeComputeBadUserData, Kind: Invalid, Type: "", Hint: "Encode user data as base64 of at most 65535 characters.", Meaning: "User data cannot be understood."},
	CodeComputeBadZone:                   {Code: CodeComputeBadZone, Kind: Invalid, Type: "", Hint: "List the availability zones.", Meaning: "The request names an availability zone that does not exist."},
	CodeComputeBuildFailed:               {Code: CodeComputeBuildFailed, Kind: Unavailable, Type: "", Hint: "", Meaning: "A host could not build the server."},
	CodeComputeBuildTimeout:              {Code: CodeComputeBuildTimeout, Kind: Unavailable, Type: "", Hint: "Look at the trace for the step that took too long.", Meaning: "The host did not report in time."},
	CodeComputeConsoleDenied:             {Code: CodeComputeConsoleDenied, Kind: Unauthenticated, Type: "", Hint: "Ask for a new console.", Meaning: "The console token is unknown, used or expired."},
	CodeComputeConsoleUnavailable:        {Code: CodeComputeConsoleUnavailable, Kind: Invalid, Type: "", Hint: "Ask for a console type that the host offers.", Meaning: "The console type is not available."},
	CodeComputeFlavorAccess:              {Code: CodeComputeFlavorAccess, Kind: Conflict, Type: "", Hint: "List the flavor's access first.", Meaning: "The project has access already, or the flavor is public."},
	CodeComputeFlavorAccessNotFound:      {Code: CodeComputeFlavorAccessNotFound, Kind: NotFound, Type: "", Hint: "List the flavor's access first.", Meaning: "The project has no access to the flavor."},
	CodeComputeFlavorDiskTooSmall:        {Code: CodeComputeFlavorDiskTooSmall, Kind: Invalid, Type: "", Hint: "Choose a flavor with a larger disk.", Meaning: "The flavor's disk is smaller than the image needs."},
	CodeComputeFlavorExists:              {Code: CodeComputeFlavorExists, Kind: Conflict, Type: "", Hint: "Choose another id or name.", Meaning: "A flavor with the id or name exists."},
	CodeComputeFlavorMemoryTooSmall:      {Code: CodeComputeFlavorMemoryTooSmall, Kind: Invalid, Type: "", Hint: "Choose a flavor with more memory.", Meaning: "The flavor's memory is less than the image needs."},
	CodeComputeFlavorNotFound:            {Code: CodeComputeFlavorNotFound, Kind: NotFound, Type: "", Hint: "List the flavors.", Meaning: "The flavor does not exist, or is not open to the project."},
	CodeComputeFlavorZeroDisk:            {Code: CodeComputeFlavorZeroDisk, Kind: Forbidden, Type: "", Hint: "Boot from a volume.", Meaning: "Only volume-backed servers may use a flavor without a disk."},
	CodeComputeGroupNotFound:             {Code: CodeComputeGroupNotFound, Kind: NotFound, Type: "", Hint: "List the server groups.", Meaning: "No such server group."},
	CodeComputeHostInUse:                 {Code: CodeComputeHostInUse, Kind: Conflict, Type: "", Hint: "Delete or move its servers first.", Meaning: "The host still has servers."},
	CodeComputeHostUnavailable:           {Code: CodeComputeHostUnavailable, Kind: Unavailable, Type: "", Hint: "Wait until the host is back.", Meaning: "The server's host does not answer."},
	CodeComputeHostUnknown:               {Code: CodeComputeHostUnknown, Kind: NotFound, Type: "", Hint: "Let the host register first.", Meaning: "No host of that name has registered."},
	CodeComputeInterfaceNotFound:         {Code: CodeComputeInterfaceNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "The server has no such port."},
	CodeComputeKeypairExists:             {Code: CodeComputeKeypairExists, Kind: Conflict, Type: "", Hint: "Choose another name, or delete the key pair.", Meaning: "The user has a key pair of that name."},
	CodeComputeKeypairInvalid:            {Code: CodeComputeKeypairInvalid, Kind: Invalid, Type: "", Hint: "Send a public key as ssh-keygen writes it, or a certificate in PEM.", Meaning: "The key cannot be read."},
	CodeComputeKeypairNotFound:           {Code: CodeComputeKeypairNotFound, Kind: NotFound, Type: "", Hint: "List the key pairs.", Meaning: "The user has no such key pair."},
	CodeComputeMetadataNotFound:          {Code: CodeComputeMetadataNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "The server has no such metadata item."},
	CodeComputeNetworkNotFound:           {Code: CodeComputeNetworkNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "The server has no address on the network."},
	CodeComputeNetworkRefused:            {Code: CodeComputeNetworkRefused, Kind: Invalid, Type: "", Hint: "", Meaning: "The network service refused what was passed on to it."},
	CodeComputeNoFloatingPool:            {Code: CodeComputeNoFloatingPool, Kind: NotFound, Type: "", Hint: "List the external networks.", Meaning: "No external network, or no floating IP, of that name."},
	CodeComputeNoValidHost:               {Code: CodeComputeNoValidHost, Kind: Unavailable, Type: "", Hint: "Choose a smaller flavor, or wait for room.", Meaning: "No host can take the server."},
	CodeComputeQuotaBelowUse:             {Code: CodeComputeQuotaBelowUse, Kind: Invalid, Type: "", Hint: "Set a higher limit, or force it.", Meaning: "The new limit is below what the project uses."},
	CodeComputeQuotaExceeded:             {Code: CodeComputeQuotaExceeded, Kind: OverQuota, Type: "", Hint: "Delete servers, or ask for a larger quota.", Meaning: "The project's quota does not allow it."},
	CodeComputeRootDetach:                {Code: CodeComputeRootDetach, Kind: Forbidden, Type: "", Hint: "", Meaning: "A root device cannot be detached from a server."},
	CodeComputeServerLocked:              {Code: CodeComputeServerLocked, Kind: Conflict, Type: "", Hint: "Unlock the server first.", Meaning: "The server is locked."},
	CodeComputeServerNotFound:            {Code: CodeComputeServerNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "The server does not exist, or is another project's."},
	CodeComputeServiceNotFound:           {Code: CodeComputeServiceNotFound, Kind: NotFound, Type: "", Hint: "List the services.", Meaning: "No such compute service."},
	CodeComputeTagNotFound:               {Code: CodeComputeTagNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "The server has no such tag."},
	CodeComputeTooMuchMetadata:           {Code: CodeComputeTooMuchMetadata, Kind: OverQuota, Type: "", Hint: "Remove some items.", Meaning: "A server would have more metadata items than its quota allows."},
	CodeComputeTraceNotFound:             {Code: CodeComputeTraceNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "The server's boot left no trace."},
	CodeComputeVolumeFailed:              {Code: CodeComputeVolumeFailed, Kind: Invalid, Type: "", Hint: "Look at the volume.", Meaning: "A volume of the server could not be made."},
	CodeComputeVolumeInUse:               {Code: CodeComputeVolumeInUse, Kind: Invalid, Type: "", Hint: "", Meaning: "The volume cannot be attached."},
	CodeComputeWrongState:                {Code: CodeComputeWrongState, Kind: Conflict, Type: "", Hint: "Wait for the task to end, or bring the server into another state.", Meaning: "The server's state does not allow the operation."},
	CodeDbBusy:                           {Code: CodeDbBusy, Kind: Unavailable, Type: "", Hint: "Try again.", Meaning: "The database did not take the write in time."},
	CodeDbStale:                          {Code: CodeDbStale, Kind: Conflict, Type: "", Hint: "Read it again and repeat the change.", Meaning: "Another request changed the row first."},
	CodeFilevolumeBadSource:              {Code: CodeFilevolumeBadSource, Kind: Invalid, Type: "", Hint: "Choose another source.", Meaning: "What the volume should start from cannot be used."},
	CodeFilevolumeBusy:                   {Code: CodeFilevolumeBusy, Kind: Conflict, Type: "", Hint: "Detach the volume or stop its server first; on XFS or btrfs neither is needed.", Meaning: "The volume is being written, and its file system cannot copy it at one instant."},
	CodeFilevolumeNotFound:               {Code: CodeFilevolumeNotFound, Kind: NotFound, Type: "", Hint: "Check the volume's id.", Meaning: "The backend has no such volume or snapshot."},
	CodeIdentityBusy:                     {Code: CodeIdentityBusy, Kind: Unavailable, Type: "", Hint: "Try again in a moment.", Meaning: "More passwords wait to be checked than can be soon."},
	CodeIdentityDirectoryDown:            {Code: CodeIdentityDirectoryDown, Kind: Unavailable, Type: "", Hint: "Try again in a moment.", Meaning: "The directory of a domain does not answer."},
	CodeIdentityDuplicate:                {Code: CodeIdentityDuplicate, Kind: Conflict, Type: "", Hint: "Choose another name.", Meaning: "An object of the same name, or with the same content, exists."},
	CodeIdentityForbidden:                {Code: CodeIdentityForbidden, Kind: Forbidden, Type: "", Hint: "", Meaning: "The state of the object does not allow the change."},
	CodeIdentityGone:                     {Code: CodeIdentityGone, Kind: Gone, Type: "", Hint: "", Meaning: "The call was of PKI tokens, which are gone."},
	CodeIdentityInUse:                    {Code: CodeIdentityInUse, Kind: Forbidden, Type: "", Hint: "", Meaning: "Something else still needs the object."},
	CodeIdentityInvalid:                  {Code: CodeIdentityInvalid, Kind: Invalid, Type: "", Hint: "", Meaning: "A value contradicts what is there."},
	CodeIdentityLimited:                  {Code: CodeIdentityLimited, Kind: TooMany, Type: "", Hint: "Wait before the next attempt.", Meaning: "Too many failed authentications from one address or for one account."},
	CodeIdentityNotFound:                 {Code: CodeIdentityNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "The object named does not exist, or the caller may not know of it."},
	CodeIdentityProviderDown:             {Code: CodeIdentityProviderDown, Kind: Unavailable, Type: "", Hint: "Try again in a moment.", Meaning: "An identity provider does not answer, or not as OpenID Connect says."},
	CodeImageBadContentType:              {Code: CodeImageBadContentType, Kind: UnsupportedType, Type: "", Hint: "", Meaning: "The request's type is not one that this call takes."},
	CodeImageConflict:                    {Code: CodeImageConflict, Kind: Conflict, Type: "", Hint: "", Meaning: "The image is in a state that does not allow it."},
	CodeImageConversionFailed:            {Code: CodeImageConversionFailed, Kind: Invalid, Type: "", Hint: "Convert the image before uploading it.", Meaning: "The image could not be converted."},
	CodeImageCorrupt:                     {Code: CodeImageCorrupt, Kind: Internal, Type: "", Hint: "Upload the image again.", Meaning: "The stored data of an image is missing."},
	CodeImageFetchFailed:                 {Code: CodeImageFetchFailed, Kind: Invalid, Type: "", Hint: "Look at the server that has the data, and import it again.", Meaning: "The data could not be fetched."},
	CodeImageFetchRefused:                {Code: CodeImageFetchRefused, Kind: Invalid, Type: "", Hint: "Use a public http or https address, or ask the operator to allow this one.", Meaning: "The address is not one that images may be fetched from."},
	CodeImageForbidden:                   {Code: CodeImageForbidden, Kind: Forbidden, Type: "", Hint: "", Meaning: "The image may not be changed that way by this caller."},
	CodeImageFormatMismatch:              {Code: CodeImageFormatMismatch, Kind: Invalid, Type: "", Hint: "Set disk_format to what the file is, or convert it: qemu-img convert -O qcow2 IN OUT.", Meaning: "The data is not what disk_format says."},
	CodeImageGone:                        {Code: CodeImageGone, Kind: Gone, Type: "", Hint: "Create the image again.", Meaning: "The image was deleted while its data arrived."},
	CodeImageIdTaken:                     {Code: CodeImageIdTaken, Kind: Conflict, Type: "", Hint: "Choose another id, or leave it out.", Meaning: "An image of that id exists."},
	CodeImageImportFailed:                {Code: CodeImageImportFailed, Kind: Invalid, Type: "", Hint: "Correct what the message says, and import it again.", Meaning: "An import came to nothing."},
	CodeImageImportOff:                   {Code: CodeImageImportOff, Kind: NotFound, Type: "", Hint: "Upload the data, or ask the operator to enable the method.", Meaning: "The site does not import that way."},
	CodeImageInvalid:                     {Code: CodeImageInvalid, Kind: Invalid, Type: "", Hint: "", Meaning: "A field of an image, a member or a query is not valid."},
	CodeImageMemberExists:                {Code: CodeImageMemberExists, Kind: Conflict, Type: "", Hint: "", Meaning: "The project is a member of the image already."},
	CodeImageMetadefExists:               {Code: CodeImageMetadefExists, Kind: Conflict, Type: "", Hint: "Choose another name.", Meaning: "A metadata definition of that name exists."},
	CodeImageMetadefNotFound:             {Code: CodeImageMetadefNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "No such metadata definition, or none that the caller may see."},
	CodeImageMetadefProtected:            {Code: CodeImageMetadefProtected, Kind: Forbidden, Type: "", Hint: "Set the namespace's protected to false first.", Meaning: "The metadata definition's namespace is protected."},
	CodeImageNoSpace:                     {Code: CodeImageNoSpace, Kind: Unavailable, Type: "", Hint: "Ask the operator to free space in the image store.", Meaning: "The store has no room."},
	CodeImageNoStore:                     {Code: CodeImageNoStore, Kind: Conflict, Type: "", Hint: "Name one of GET /v2/info/stores.", Meaning: "No store of that name is configured."},
	CodeImageNotFound:                    {Code: CodeImageNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "No such image, or none that the caller may see."},
	CodeImageOverQuota:                   {Code: CodeImageOverQuota, Kind: OverQuota, Type: "", Hint: "Delete images, or ask the operator for a higher limit.", Meaning: "The project has as much as it may have."},
	CodeImageProtected:                   {Code: CodeImageProtected, Kind: Forbidden, Type: "", Hint: "Set protected to false first.", Meaning: "The image is protected."},
	CodeImageTaskKept:                    {Code: CodeImageTaskKept, Kind: BadMethod, Type: "", Hint: "Wait until it expires.", Meaning: "Tasks cannot be deleted."},
	CodeImageTaskNotFound:                {Code: CodeImageTaskNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "No such task, or none that the caller may see."},
	CodeImageTooLarge:                    {Code: CodeImageTooLarge, Kind: TooLarge, Type: "", Hint: "Upload a smaller image, or ask the operator for a higher limit.", Meaning: "The data is larger than the limit for one image."},
	CodeImageUnsafe:                      {Code: CodeImageUnsafe, Kind: Invalid, Type: "", Hint: "Make it stand alone: qemu-img convert -O qcow2 IN OUT writes one that does.", Meaning: "The data would make the host open something else, or makes no sense."},
	CodeImageUploadCut:                   {Code: CodeImageUploadCut, Kind: Invalid, Type: "", Hint: "Upload it again.", Meaning: "The data did not arrive whole."},
	CodeMicroversionMalformed:            {Code: CodeMicroversionMalformed, Kind: Invalid, Type: "", Hint: "Send MAJOR.MINOR, or latest.", Meaning: "The version header is not a version."},
	CodeMicroversionUnsupported:          {Code: CodeMicroversionUnsupported, Kind: NotAcceptable, Type: "", Hint: "Choose a version within the range that the version document gives.", Meaning: "The version is outside of what the service speaks."},
	CodeNetlinksNotWired:                 {Code: CodeNetlinksNotWired, Kind: Conflict, Type: "", Hint: "Wait until the port is wired; the host's log says what keeps it.", Meaning: "The port has no tap on the host."},
	CodeNetlinksUnusable:                 {Code: CodeNetlinksUnusable, Kind: Unavailable, Type: "", Hint: "Run as root, with nftables installed and /dev/net/tun there.", Meaning: "The host's network cannot be programmed."},
	CodeNetworkAddressExhausted:          {Code: CodeNetworkAddressExhausted, Kind: Conflict, Type: "IpAddressGenerationFailure", Hint: "Delete ports that are not needed, widen an allocation pool, or add a subnet.", Meaning: "No address is left in the pools of the network's subnets."},
	CodeNetworkAddressGroupInUse:         {Code: CodeNetworkAddressGroupInUse, Kind: Conflict, Type: "AddressGroupInUse", Hint: "", Meaning: "A security group rule refers to the address group."},
	CodeNetworkAddressGroupNotFound:      {Code: CodeNetworkAddressGroupNotFound, Kind: NotFound, Type: "AddressGroupNotFound", Hint: "", Meaning: "No address group that the caller sees has the id."},
	CodeNetworkAddressInUse:              {Code: CodeNetworkAddressInUse, Kind: Conflict, Type: "IpAddressAlreadyAllocated", Hint: "Choose another address, or leave the choice to the service.", Meaning: "Another port has the address."},
	CodeNetworkAddressNotInSubnet:        {Code: CodeNetworkAddressNotInSubnet, Kind: Invalid, Type: "InvalidIpForSubnet", Hint: "", Meaning: "The address is not a host address of the subnet."},
	CodeNetworkAddressNotValid:           {Code: CodeNetworkAddressNotValid, Kind: Invalid, Type: "InvalidIpForNetwork", Hint: "", Meaning: "The address is in no subnet of the network."},
	CodeNetworkAddressScopeInUse:         {Code: CodeNetworkAddressScopeInUse, Kind: Conflict, Type: "AddressScopeInUse", Hint: "", Meaning: "A subnet pool belongs to the address scope."},
	CodeNetworkAddressScopeNotFound:      {Code: CodeNetworkAddressScopeNotFound, Kind: NotFound, Type: "AddressScopeNotFound", Hint: "", Meaning: "No address scope that the caller sees has the id."},
	CodeNetworkAgentNotFound:             {Code: CodeNetworkAgentNotFound, Kind: NotFound, Type: "AgentNotFound", Hint: "", Meaning: "No host has the agent."},
	CodeNetworkBadRequest:                {Code: CodeNetworkBadRequest, Kind: Invalid, Type: "BadRequest", Hint: "", Meaning: "The request contradicts the state of what it names."},
	CodeNetworkDefaultGroupExists:        {Code: CodeNetworkDefaultGroupExists, Kind: Conflict, Type: "SecurityGroupDefaultAlreadyExists", Hint: "", Meaning: "Every project has its default security group already; the name is taken."},
	CodeNetworkDefaultGroupFixed:         {Code: CodeNetworkDefaultGroupFixed, Kind: Conflict, Type: "SecurityGroupCannotUpdateDefault", Hint: "", Meaning: "The default security group keeps its name."},
	CodeNetworkDefaultGroupKept:          {Code: CodeNetworkDefaultGroupKept, Kind: Conflict, Type: "SecurityGroupCannotRemoveDefault", Hint: "", Meaning: "The default security group goes with its project."},
	CodeNetworkDeviceNotOwned:            {Code: CodeNetworkDeviceNotOwned, Kind: Conflict, Type: "DeviceIDNotOwnedByTenant", Hint: "", Meaning: "The device id names a router of another project."},
	CodeNetworkExtensionNotFound:         {Code: CodeNetworkExtensionNotFound, Kind: NotFound, Type: "HTTPNotFound", Hint: "", Meaning: "No extension has the alias."},
	CodeNetworkExternalInUse:             {Code: CodeNetworkExternalInUse, Kind: Conflict, Type: "ExternalNetworkInUse", Hint: "", Meaning: "Routers or floating IPs use the external network."},
	CodeNetworkFipAssociated:             {Code: CodeNetworkFipAssociated, Kind: Conflict, Type: "FipAssociated", Hint: "", Meaning: "The port still has a floating IP."},
	CodeNetworkFipPortTaken:              {Code: CodeNetworkFipPortTaken, Kind: Conflict, Type: "FloatingIPPortAlreadyAssociated", Hint: "", Meaning: "The fixed address has a floating IP already."},
	CodeNetworkFipUnreachable:            {Code: CodeNetworkFipUnreachable, Kind: NotFound, Type: "ExternalGatewayForFloatingIPNotFound", Hint: "Add the subnet to a router with a gateway to the external network.", Meaning: "No router leads from the port's subnet to the external network."},
	CodeNetworkFloatingipNotFound:        {Code: CodeNetworkFloatingipNotFound, Kind: NotFound, Type: "FloatingIPNotFound", Hint: "", Meaning: "No floating IP that the caller sees has the id."},
	CodeNetworkGatewayInPool:             {Code: CodeNetworkGatewayInPool, Kind: Conflict, Type: "GatewayConflictWithAllocationPools", Hint: "", Meaning: "The gateway lies in an allocation pool."},
	CodeNetworkGatewayInUse:              {Code: CodeNetworkGatewayInUse, Kind: Conflict, Type: "GatewayIpInUse", Hint: "", Meaning: "A port has the subnet's gateway address."},
	CodeNetworkGatewayNeeded:             {Code: CodeNetworkGatewayNeeded, Kind: Conflict, Type: "RouterExternalGatewayInUseByFloatingIp", Hint: "", Meaning: "Floating IPs need the router's gateway."},
	CodeNetworkInterfaceNeeded:           {Code: CodeNetworkInterfaceNeeded, Kind: Conflict, Type: "RouterInterfaceInUseByFloatingIP", Hint: "", Meaning: "Floating IPs need the router's interface."},
	CodeNetworkInterfaceNotFound:         {Code: CodeNetworkInterfaceNotFound, Kind: NotFound, Type: "RouterInterfaceNotFound", Hint: "", Meaning: "The router has no such interface."},
	CodeNetworkInterfaceNotOnSubnet:      {Code: CodeNetworkInterfaceNotOnSubnet, Kind: NotFound, Type: "RouterInterfaceNotFoundForSubnet", Hint: "", Meaning: "The router has no interface on the subnet."},
	CodeNetworkInterfaceRoute:            {Code: CodeNetworkInterfaceRoute, Kind: Conflict, Type: "RouterInterfaceInUseByRoute", Hint: "", Meaning: "An extra route of the router leads through the interface."},
	CodeNetworkInvalidCidr:               {Code: CodeNetworkInvalidCidr, Kind: Invalid, Type: "InvalidCIDR", Hint: "", Meaning: "The prefix is not in CIDR form."},
	CodeNetworkInvalidInput:              {Code: CodeNetworkInvalidInput, Kind: Invalid, Type: "InvalidInput", Hint: "", Meaning: "A value contradicts another one, or the resource."},
	CodeNetworkInvalidSharing:            {Code: CodeNetworkInvalidSharing, Kind: Conflict, Type: "InvalidSharedSetting", Hint: "", Meaning: "Other projects use the network, so it stays shared."},
	CodeNetworkMacInUse:                  {Code: CodeNetworkMacInUse, Kind: Conflict, Type: "MacAddressInUse", Hint: "", Meaning: "Another port of the network has the MAC address."},
	CodeNetworkMalformed:                 {Code: CodeNetworkMalformed, Kind: Invalid, Type: "HTTPBadRequest", Hint: "", Meaning: "An attribute is unknown, missing, or of the wrong form."},
	CodeNetworkNetworkInUse:              {Code: CodeNetworkNetworkInUse, Kind: Conflict, Type: "NetworkInUse", Hint: "Delete the ports on the network first.", Meaning: "Ports are still on the network."},
	CodeNetworkNetworkNotFound:           {Code: CodeNetworkNetworkNotFound, Kind: NotFound, Type: "NetworkNotFound", Hint: "", Meaning: "No network that the caller sees has the id."},
	CodeNetworkNoNetwork:                 {Code: CodeNetworkNoNetwork, Kind: Unavailable, Type: "NoNetworkAvailable", Hint: "", Meaning: "No segmentation id is left."},
	CodeNetworkNotFound:                  {Code: CodeNetworkNotFound, Kind: NotFound, Type: "HTTPNotFound", Hint: "", Meaning: "The thing named is not there, or not the caller's to see."},
	CodeNetworkOverQuota:                 {Code: CodeNetworkOverQuota, Kind: OverQuota, Type: "OverQuota", Hint: "Delete what is not needed, or ask for a larger quota.", Meaning: "The project's quota is used up."},
	CodeNetworkPairsNeedSecurity:         {Code: CodeNetworkPairsNeedSecurity, Kind: Conflict, Type: "AddressPairAndPortSecurityRequired", Hint: "", Meaning: "Address pairs need port security."},
	CodeNetworkPhysicalNetworkInUse:      {Code: CodeNetworkPhysicalNetworkInUse, Kind: Conflict, Type: "FlatNetworkInUse", Hint: "", Meaning: "A flat network has the physical network already."},
	CodeNetworkPoolBadPrefix:             {Code: CodeNetworkPoolBadPrefix, Kind: Invalid, Type: "IllegalSubnetPoolPrefixBounds", Hint: "", Meaning: "The prefix lengths of a subnet pool contradict each other."},
	CodeNetworkPoolDelete:                {Code: CodeNetworkPoolDelete, Kind: Invalid, Type: "SubnetPoolDeleteError", Hint: "", Meaning: "Subnets were taken from the pool."},
	CodeNetworkPoolExhausted:             {Code: CodeNetworkPoolExhausted, Kind: Conflict, Type: "SubnetAllocationError", Hint: "", Meaning: "The pool has no room for the prefix."},
	CodeNetworkPoolInvalid:               {Code: CodeNetworkPoolInvalid, Kind: Invalid, Type: "InvalidAllocationPool", Hint: "", Meaning: "An allocation pool ends before it starts."},
	CodeNetworkPoolOutside:               {Code: CodeNetworkPoolOutside, Kind: Invalid, Type: "OutOfBoundsAllocationPool", Hint: "", Meaning: "An allocation pool reaches beyond its subnet."},
	CodeNetworkPoolOverlap:               {Code: CodeNetworkPoolOverlap, Kind: Conflict, Type: "OverlappingAllocationPools", Hint: "", Meaning: "Allocation pools overlap."},
	CodeNetworkPoolQuota:                 {Code: CodeNetworkPoolQuota, Kind: Invalid, Type: "SubnetPoolQuotaExceeded", Hint: "", Meaning: "The project has its share of the subnet pool."},
	CodeNetworkPortForwardingConflict:    {Code: CodeNetworkPortForwardingConflict, Kind: Invalid, Type: "BadRequest", Hint: "", Meaning: "The forwarding contradicts another one."},
	CodeNetworkPortForwardingNotFound:    {Code: CodeNetworkPortForwardingNotFound, Kind: NotFound, Type: "PortForwardingNotFound", Hint: "", Meaning: "The floating IP has no such forwarding."},
	CodeNetworkPortInUse:                 {Code: CodeNetworkPortInUse, Kind: Conflict, Type: "PortInUse", Hint: "", Meaning: "The port serves another device."},
	CodeNetworkPortNotFound:              {Code: CodeNetworkPortNotFound, Kind: NotFound, Type: "PortNotFound", Hint: "", Meaning: "No port that the caller sees has the id."},
	CodeNetworkPortSecurityNeeded:        {Code: CodeNetworkPortSecurityNeeded, Kind: Invalid, Type: "PortSecurityAndIPRequiredForSecurityGroups", Hint: "", Meaning: "Security groups need port security."},
	CodeNetworkPortSecurityWithGroups:    {Code: CodeNetworkPortSecurityWithGroups, Kind: Conflict, Type: "PortSecurityPortHasSecurityGroup", Hint: "", Meaning: "The port has security groups, so its security stays on."},
	CodeNetworkQuotaUnknown:              {Code: CodeNetworkQuotaUnknown, Kind: Invalid, Type: "HTTPBadRequest", Hint: "", Meaning: "There is no quota of that name."},
	CodeNetworkRbacExists:                {Code: CodeNetworkRbacExists, Kind: Conflict, Type: "RbacPolicyInUse", Hint: "", Meaning: "The object is shared in that way already, or the sharing is in use."},
	CodeNetworkRbacNotFound:              {Code: CodeNetworkRbacNotFound, Kind: NotFound, Type: "RbacPolicyNotFound", Hint: "", Meaning: "No sharing policy that the caller sees has the id."},
	CodeNetworkRevision:                  {Code: CodeNetworkRevision, Kind: Precondition, Type: "RevisionNumberConstraintFailed", Hint: "Read the resource again and repeat the change.", Meaning: "The resource changed after it was read."},
	CodeNetworkRouterInUse:               {Code: CodeNetworkRouterInUse, Kind: Conflict, Type: "RouterInUse", Hint: "Remove the router's interfaces first.", Meaning: "The router still has interfaces."},
	CodeNetworkRouterNotFound:            {Code: CodeNetworkRouterNotFound, Kind: NotFound, Type: "RouterNotFound", Hint: "", Meaning: "No router that the caller sees has the id."},
	CodeNetworkRoutesInvalid:             {Code: CodeNetworkRoutesInvalid, Kind: Invalid, Type: "InvalidRoutes", Hint: "", Meaning: "An extra route cannot be reached from the router's interfaces."},
	CodeNetworkRuleExists:                {Code: CodeNetworkRuleExists, Kind: Conflict, Type: "SecurityGroupRuleExists", Hint: "", Meaning: "The security group has the same rule already."},
	CodeNetworkRuleInvalid:               {Code: CodeNetworkRuleInvalid, Kind: Invalid, Type: "InvalidInput", Hint: "", Meaning: "A security group rule contradicts itself."},
	CodeNetworkSecurityGroupInUse:        {Code: CodeNetworkSecurityGroupInUse, Kind: Conflict, Type: "SecurityGroupInUse", Hint: "Take the group off its ports first.", Meaning: "Ports use the security group."},
	CodeNetworkSecurityGroupNotFound:     {Code: CodeNetworkSecurityGroupNotFound, Kind: NotFound, Type: "SecurityGroupNotFound", Hint: "", Meaning: "No security group that the caller sees has the id."},
	CodeNetworkSecurityGroupRuleNotFound: {Code: CodeNetworkSecurityGroupRuleNotFound, Kind: NotFound, Type: "SecurityGroupRuleNotFound", Hint: "", Meaning: "No security group rule that the caller sees has the id."},
	CodeNetworkSegmentInUse:              {Code: CodeNetworkSegmentInUse, Kind: Conflict, Type: "TunnelIdInUse", Hint: "", Meaning: "Another network has the segmentation id."},
	CodeNetworkServicePort:               {Code: CodeNetworkServicePort, Kind: Conflict, Type: "ServicePortInUse", Hint: "", Meaning: "The port belongs to a router or a floating IP and goes with it."},
	CodeNetworkSubnetInUse:               {Code: CodeNetworkSubnetInUse, Kind: Conflict, Type: "SubnetInUse", Hint: "Delete the ports with addresses of the subnet first.", Meaning: "Ports have addresses of the subnet."},
	CodeNetworkSubnetMismatch:            {Code: CodeNetworkSubnetMismatch, Kind: Invalid, Type: "SubnetMismatchForPort", Hint: "", Meaning: "The port has no address on the subnet."},
	CodeNetworkSubnetNotFound:            {Code: CodeNetworkSubnetNotFound, Kind: NotFound, Type: "SubnetNotFound", Hint: "", Meaning: "No subnet that the caller sees has the id."},
	CodeNetworkSubnetpoolNotFound:        {Code: CodeNetworkSubnetpoolNotFound, Kind: NotFound, Type: "SubnetPoolNotFound", Hint: "", Meaning: "No subnet pool that the caller sees has the id."},
	CodeNetworkTagNotFound:               {Code: CodeNetworkTagNotFound, Kind: NotFound, Type: "TagNotFound", Hint: "", Meaning: "The resource does not carry the tag."},
	CodeObjectstoreAccountGone:           {Code: CodeObjectstoreAccountGone, Kind: Gone, Type: "", Hint: "", Meaning: "The account was deleted."},
	CodeObjectstoreAccountNotFound:       {Code: CodeObjectstoreAccountNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "No such account."},
	CodeObjectstoreArchiveMissing:        {Code: CodeObjectstoreArchiveMissing, Kind: Precondition, Type: "", Hint: "Make the container, or remove X-Versions-Location.", Meaning: "The container for older versions does not exist."},
	CodeObjectstoreBadManifest:           {Code: CodeObjectstoreBadManifest, Kind: Invalid, Type: "", Hint: "", Meaning: "A large object's manifest cannot be."},
	CodeObjectstoreBadName:               {Code: CodeObjectstoreBadName, Kind: Invalid, Type: "", Hint: "", Meaning: "The name of a container or an object cannot be."},
	CodeObjectstoreBadPart:               {Code: CodeObjectstoreBadPart, Kind: Invalid, Type: "", Hint: "List the parts, and name those that are there in ascending order.", Meaning: "An upload is completed with parts that are not there."},
	CodeObjectstoreBadSignature:          {Code: CodeObjectstoreBadSignature, Kind: Unauthenticated, Type: "", Hint: "Check key, method, path and time that were signed.", Meaning: "A signed URL or form does not hold."},
	CodeObjectstoreContainerNotEmpty:     {Code: CodeObjectstoreContainerNotEmpty, Kind: Conflict, Type: "", Hint: "Delete its objects first.", Meaning: "The container holds objects or versions."},
	CodeObjectstoreContainerNotFound:     {Code: CodeObjectstoreContainerNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "No such container."},
	CodeObjectstoreCorrupt:               {Code: CodeObjectstoreCorrupt, Kind: Internal, Type: "", Hint: "Upload the object again.", Meaning: "The stored bytes of an object are damaged or missing."},
	CodeObjectstoreEtagMismatch:          {Code: CodeObjectstoreEtagMismatch, Kind: Invalid, Type: "", Hint: "Upload the object again.", Meaning: "The bytes that arrived are not those that the request's checksum names."},
	CodeObjectstoreExists:                {Code: CodeObjectstoreExists, Kind: Precondition, Type: "", Hint: "", Meaning: "An object of this name exists and the request forbids to replace it."},
	CodeObjectstoreNoSpace:               {Code: CodeObjectstoreNoSpace, Kind: Unavailable, Type: "", Hint: "Ask the operator to free space in the object store.", Meaning: "The store has no room."},
	CodeObjectstoreObjectNotFound:        {Code: CodeObjectstoreObjectNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "No such object or version, or its time is up."},
	CodeObjectstorePolicyConflict:        {Code: CodeObjectstorePolicyConflict, Kind: Conflict, Type: "", Hint: "Leave the storage policy out, or use another container.", Meaning: "The container has another storage policy."},
	CodeObjectstoreQuotaExceeded:         {Code: CodeObjectstoreQuotaExceeded, Kind: TooLarge, Type: "", Hint: "Delete objects, or ask for a larger quota.", Meaning: "The container or the account would hold more than its quota."},
	CodeObjectstoreRefused:               {Code: CodeObjectstoreRefused, Kind: Invalid, Type: "", Hint: "", Meaning: "The request does not fit the protocol; the status and the message say how."},
	CodeObjectstoreSegmentChanged:        {Code: CodeObjectstoreSegmentChanged, Kind: Conflict, Type: "", Hint: "Upload the segments and the manifest again.", Meaning: "A segment of a large object is not there, not readable or not what the manifest was made of."},
	CodeObjectstoreSymlinkLoop:           {Code: CodeObjectstoreSymlinkLoop, Kind: Conflict, Type: "", Hint: "", Meaning: "Symlinks lead to symlinks too often."},
	CodeObjectstoreSymlinkTarget:         {Code: CodeObjectstoreSymlinkTarget, Kind: Conflict, Type: "", Hint: "Link to what is there, with its ETag.", Meaning: "The target of a static symlink is not what the link is bound to."},
	CodeObjectstoreTooLarge:              {Code: CodeObjectstoreTooLarge, Kind: TooLarge, Type: "", Hint: "Upload it in segments.", Meaning: "The object is larger than one object may be."},
	CodeObjectstoreUploadCut:             {Code: CodeObjectstoreUploadCut, Kind: Invalid, Type: "", Hint: "Upload it again.", Meaning: "The object's bytes did not arrive whole."},
	CodeObjectstoreUploadNotFound:        {Code: CodeObjectstoreUploadNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "No such upload in parts."},
	CodePageBadLimit:                     {Code: CodePageBadLimit, Kind: Invalid, Type: "HTTPBadRequest", Hint: "Send a positive whole number.", Meaning: "The limit is not a number of 0 or more."},
	CodePageBadMarker:                    {Code: CodePageBadMarker, Kind: Invalid, Type: "HTTPBadRequest", Hint: "Start again without a marker.", Meaning: "The marker names nothing that the caller may see."},
	CodePageBadSort:                      {Code: CodePageBadSort, Kind: Invalid, Type: "HTTPBadRequest", Hint: "Sort by an attribute that the reference lists as a sort key.", Meaning: "The sort key or direction is unknown."},
	CodePlacementBadQuery:                {Code: CodePlacementBadQuery, Kind: Invalid, Type: "placement.query.bad_value", Hint: "", Meaning: "A query parameter has a value that makes no sense."},
	CodePlacementBadUnit:                 {Code: CodePlacementBadUnit, Kind: Conflict, Type: "", Hint: "Ask for an amount within min_unit and max_unit that is a multiple of step_size.", Meaning: "An amount outside of what the inventory allows."},
	CodePlacementDuplicateName:           {Code: CodePlacementDuplicateName, Kind: Conflict, Type: "placement.duplicate_name", Hint: "Choose another name or uuid.", Meaning: "A provider with that name or uuid exists."},
	CodePlacementDuplicateQuery:          {Code: CodePlacementDuplicateQuery, Kind: Invalid, Type: "placement.query.duplicate_key", Hint: "", Meaning: "A query parameter that may stand once stands more often."},
	CodePlacementGenerationConflict:      {Code: CodePlacementGenerationConflict, Kind: Conflict, Type: "placement.concurrent_update", Hint: "Read it again and repeat the change with the current generation.", Meaning: "Somebody else changed the provider or the consumer meanwhile."},
	CodePlacementInvalid:                 {Code: CodePlacementInvalid, Kind: Invalid, Type: "", Hint: "", Meaning: "The request asks for something placement cannot do."},
	CodePlacementInventoryInUse:          {Code: CodePlacementInventoryInUse, Kind: Conflict, Type: "placement.inventory.inuse", Hint: "Delete the allocations of that class first.", Meaning: "The inventory has allocations."},
	CodePlacementMissingQuery:            {Code: CodePlacementMissingQuery, Kind: Invalid, Type: "placement.query.missing_value", Hint: "", Meaning: "A query parameter that is needed is missing."},
	CodePlacementNameExists:              {Code: CodePlacementNameExists, Kind: Conflict, Type: "", Hint: "Choose another name.", Meaning: "A resource class of that name exists."},
	CodePlacementNameInUse:               {Code: CodePlacementNameInUse, Kind: Conflict, Type: "", Hint: "Take it from the providers that have it first.", Meaning: "The trait or resource class is in use."},
	CodePlacementNoInventory:             {Code: CodePlacementNoInventory, Kind: Conflict, Type: "", Hint: "Set the provider's inventory of that class first.", Meaning: "A claim on a class that the provider does not have."},
	CodePlacementNoRoom:                  {Code: CodePlacementNoRoom, Kind: Conflict, Type: "", Hint: "Choose another provider, or free allocations on this one.", Meaning: "A claim does not fit any more."},
	CodePlacementNotFound:                {Code: CodePlacementNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "No such provider, inventory, allocation, trait or resource class."},
	CodePlacementProviderHasChildren:     {Code: CodePlacementProviderHasChildren, Kind: Conflict, Type: "placement.resource_provider.cannot_delete_parent", Hint: "Delete the child providers first.", Meaning: "The provider is a parent of others."},
	CodePlacementProviderInUse:           {Code: CodePlacementProviderInUse, Kind: Conflict, Type: "placement.resource_provider.inuse", Hint: "Delete its allocations first.", Meaning: "The provider has allocations."},
	CodePlacementUnknownProvider:         {Code: CodePlacementUnknownProvider, Kind: Invalid, Type: "placement.resource_provider.not_found", Hint: "List the providers to see which exist.", Meaning: "A body names a provider that does not exist."},
	CodePolicyForbidden:                  {Code: CodePolicyForbidden, Kind: Forbidden, Type: "PolicyNotAuthorized", Hint: "Ask for a role that the rule names; 'altostack policy explain' shows which.", Meaning: "The policy rule refuses."},
	CodeQemuCopyFailed:                   {Code: CodeQemuCopyFailed, Kind: Unavailable, Type: "", Hint: "Look at the host's log, then try again.", Meaning: "The disk could not be copied."},
	CodeQemuDiskInUse:                    {Code: CodeQemuDiskInUse, Kind: Conflict, Type: "", Hint: "Find what else uses the disk and end it.", Meaning: "Something else holds one of the guest's disks."},
	CodeQemuDiskUnusable:                 {Code: CodeQemuDiskUnusable, Kind: Invalid, Type: "", Hint: "Restore the disk from a copy.", Meaning: "A disk file is missing or is not what its format says."},
	CodeQemuGuestSilent:                  {Code: CodeQemuGuestSilent, Kind: Unavailable, Type: "", Hint: "Reboot the server hard.", Meaning: "The guest's process does not answer its control channel."},
	CodeQemuMissing:                      {Code: CodeQemuMissing, Kind: Unavailable, Type: "", Hint: "Install qemu-system-x86, and make sure that the binary configured is there.", Meaning: "The host has no usable QEMU."},
	CodeQemuNoFreeSlot:                   {Code: CodeQemuNoFreeSlot, Kind: Conflict, Type: "", Hint: "Detach something, or stop and start the server.", Meaning: "A running guest has no free place for another device."},
	CodeQemuStartFailed:                  {Code: CodeQemuStartFailed, Kind: Unavailable, Type: "", Hint: "Look at the host's log; another host may do.", Meaning: "QEMU ended before the guest ran."},
	CodeQemuUnplugRefused:                {Code: CodeQemuUnplugRefused, Kind: Conflict, Type: "", Hint: "Unmount the disk in the guest and try again, or stop the server.", Meaning: "The guest did not let go of a device in time."},
	CodeQemuUnsupported:                  {Code: CodeQemuUnsupported, Kind: Invalid, Type: "", Hint: "Change the flavor's or the image's properties.", Meaning: "The guest asks for what the driver does not offer."},
	CodeRestBadContentType:               {Code: CodeRestBadContentType, Kind: UnsupportedType, Type: "", Hint: "Send Content-Type: application/json.", Meaning: "The body's content type is not accepted."},
	CodeRestBadJson:                      {Code: CodeRestBadJson, Kind: Invalid, Type: "HTTPBadRequest", Hint: "Send one well-formed JSON object.", Meaning: "The body is not the JSON object that was expected."},
	CodeRestBadMethod:                    {Code: CodeRestBadMethod, Kind: BadMethod, Type: "", Hint: "Use one of the methods named in the Allow header.", Meaning: "The path does not take this method."},
	CodeRestBodyTooLarge:                 {Code: CodeRestBodyTooLarge, Kind: TooLarge, Type: "", Hint: "Send a smaller body.", Meaning: "The body is over the limit."},
	CodeRestCanceled:                     {Code: CodeRestCanceled, Kind: Unavailable, Type: "", Hint: "", Meaning: "The client went away before the answer."},
	CodeRestInternal:                     {Code: CodeRestInternal, Kind: Internal, Type: "", Hint: "Report it with the request id; the log has the cause under that id.", Meaning: "The server met an unexpected condition."},
	CodeRestInvalidInput:                 {Code: CodeRestInvalidInput, Kind: Invalid, Type: "HTTPBadRequest", Hint: "", Meaning: "A field has a wrong type, form or value."},
	CodeRestNotFound:                     {Code: CodeRestNotFound, Kind: NotFound, Type: "HTTPNotFound", Hint: "Check the path against the service's version document.", Meaning: "No such path."},
	CodeRestTooSlow:                      {Code: CodeRestTooSlow, Kind: Unavailable, Type: "", Hint: "Try again; if it stays, look at the load.", Meaning: "The request ran into its deadline."},
	CodeSagaCanceled:                     {Code: CodeSagaCanceled, Kind: Conflict, Type: "", Hint: "", Meaning: "A later request, as a delete, gave the operation up."},
	CodeSagaDeadline:                     {Code: CodeSagaDeadline, Kind: Unavailable, Type: "", Hint: "Look at the trace for the step that took too long, then try again.", Meaning: "The operation did not end within its deadline."},
	CodeVolumeAttachmentNotFound:         {Code: CodeVolumeAttachmentNotFound, Kind: NotFound, Type: "", Hint: "List the attachments to see which there are.", Meaning: "No such attachment within the caller's reach."},
	CodeVolumeBackendFailed:              {Code: CodeVolumeBackendFailed, Kind: Unavailable, Type: "", Hint: "Try again; the operator finds the cause in the log.", Meaning: "The storage backend refused or did not finish."},
	CodeVolumeBackupNotFound:             {Code: CodeVolumeBackupNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "No such backup."},
	CodeVolumeBadAuthKey:                 {Code: CodeVolumeBadAuthKey, Kind: Invalid, Type: "", Hint: "Use the key that was answered when the transfer was made.", Meaning: "A transfer's key does not match."},
	CodeVolumeBadBackup:                  {Code: CodeVolumeBadBackup, Kind: Invalid, Type: "", Hint: "Wait until the backup is in a state that allows the call, or delete its increments first.", Meaning: "A backup cannot be used in this way now."},
	CodeVolumeBadImage:                   {Code: CodeVolumeBadImage, Kind: Invalid, Type: "", Hint: "Choose an active image, and a size that holds it.", Meaning: "The image cannot become this volume."},
	CodeVolumeBadSnapshot:                {Code: CodeVolumeBadSnapshot, Kind: Invalid, Type: "", Hint: "Wait until the snapshot is in a state that allows the call.", Meaning: "A snapshot's state does not allow the call."},
	CodeVolumeBadType:                    {Code: CodeVolumeBadType, Kind: Invalid, Type: "", Hint: "List the volume types to see which can be used.", Meaning: "The volume type cannot be used here."},
	CodeVolumeConflict:                   {Code: CodeVolumeConflict, Kind: Conflict, Type: "", Hint: "", Meaning: "Something of the same name exists, or is in use."},
	CodeVolumeDefaultTypeNotFound:        {Code: CodeVolumeDefaultTypeNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "The project has no default type of its own."},
	CodeVolumeGroupNotFound:              {Code: CodeVolumeGroupNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "No such group of volumes."},
	CodeVolumeHostNotFound:               {Code: CodeVolumeHostNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "No such host of the block storage service."},
	CodeVolumeInUseByServer:              {Code: CodeVolumeInUseByServer, Kind: Conflict, Type: "", Hint: "Detach the volume through the Compute API.", Meaning: "Only the compute service may end this attachment."},
	CodeVolumeInvalidInput:               {Code: CodeVolumeInvalidInput, Kind: Invalid, Type: "", Hint: "", Meaning: "A value in the request cannot be used."},
	CodeVolumeMessageNotFound:            {Code: CodeVolumeMessageNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "No such message within the caller's reach."},
	CodeVolumeMetadataNotFound:           {Code: CodeVolumeMetadataNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "No such key."},
	CodeVolumeMetadataStale:              {Code: CodeVolumeMetadataStale, Kind: Precondition, Type: "", Hint: "Read the metadata again and repeat the change.", Meaning: "The metadata changed between being read and being written."},
	CodeVolumeNoValidBackend:             {Code: CodeVolumeNoValidBackend, Kind: Invalid, Type: "", Hint: "Choose another volume type, or a smaller size.", Meaning: "No backend offers what the volume needs."},
	CodeVolumeQosNotFound:                {Code: CodeVolumeQosNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "No such QoS specification."},
	CodeVolumeQuotaExceeded:              {Code: CodeVolumeQuotaExceeded, Kind: OverQuota, Type: "", Hint: "Delete what is not needed, or ask for a larger quota.", Meaning: "The project's quota does not allow it."},
	CodeVolumeServiceNotFound:            {Code: CodeVolumeServiceNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "No such part of the block storage service."},
	CodeVolumeServiceUnavailable:         {Code: CodeVolumeServiceUnavailable, Kind: Unavailable, Type: "", Hint: "List the services with openstack volume service list.", Meaning: "No part of the block storage service can do that here."},
	CodeVolumeSnapshotNotFound:           {Code: CodeVolumeSnapshotNotFound, Kind: NotFound, Type: "", Hint: "List the snapshots to see which there are.", Meaning: "No such snapshot within the caller's reach."},
	CodeVolumeTransferNotFound:           {Code: CodeVolumeTransferNotFound, Kind: NotFound, Type: "", Hint: "", Meaning: "No such transfer within the caller's reach."},
	CodeVolumeTypeNotFound:               {Code: CodeVolumeTypeNotFound, Kind: NotFound, Type: "", Hint: "List the volume types to see which there are.", Meaning: "No such volume type within the caller's reach."},
	CodeVolumeVolumeNotFound:             {Code: CodeVolumeVolumeNotFound, Kind: NotFound, Type: "", Hint: "List the volumes to see which there are.", Meaning: "No such volume within the caller's reach."},
	CodeVolumeWrongState:                 {Code: CodeVolumeWrongState, Kind: Invalid, Type: "", Hint: "Wait until the volume is in a state that allows the call.", Meaning: "A volume's state does not allow the call."},
}
