// Code generated from codes.tsv by go generate; DO NOT EDIT.

package fault

// The codes there are.
const (
	CodeAgentBuildCanceled      Code = "agent.build_canceled"
	CodeAgentDisksFailed        Code = "agent.disks_failed"
	CodeAgentGuestNotRunning    Code = "agent.guest_not_running"
	CodeAgentGuestUnknown       Code = "agent.guest_unknown"
	CodeAgentHypervisorFailed   Code = "agent.hypervisor_failed"
	CodeAgentImageCorrupt       Code = "agent.image_corrupt"
	CodeAgentImageUnavailable   Code = "agent.image_unavailable"
	CodeAgentNoLocalRoot        Code = "agent.no_local_root"
	CodeAgentNoSpace            Code = "agent.no_space"
	CodeAgentPortUnavailable    Code = "agent.port_unavailable"
	CodeAgentServiceUnavailable Code = "agent.service_unavailable"
	CodeAgentStaleDescription   Code = "agent.stale_description"
	CodeAgentVolumeUnavailable  Code = "agent.volume_unavailable"
	CodeAgentWiringFailed       Code = "agent.wiring_failed"
	CodeAuthUnauthenticated     Code = "auth.unauthenticated"
	CodeBusNobody               Code = "bus.nobody"
	CodeDbBusy                  Code = "db.busy"
	CodeDbStale                 Code = "db.stale"
	CodeMicroversionMalformed   Code = "microversion.malformed"
	CodeMicroversionUnsupported Code = "microversion.unsupported"
	CodePageBadLimit            Code = "page.bad_limit"
	CodePageBadMarker           Code = "page.bad_marker"
	CodePageBadSort             Code = "page.bad_sort"
	CodePolicyForbidden         Code = "policy.forbidden"
	CodeQemuCopyFailed          Code = "qemu.copy_failed"
	CodeQemuDiskInUse           Code = "qemu.disk_in_use"
	CodeQemuDiskUnusable        Code = "qemu.disk_unusable"
	CodeQemuGuestSilent         Code = "qemu.guest_silent"
	CodeQemuMissing             Code = "qemu.missing"
	CodeQemuNoFreeSlot          Code = "qemu.no_free_slot"
	CodeQemuStartFailed         Code = "qemu.start_failed"
	CodeQemuUnplugRefused       Code = "qemu.unplug_refused"
	CodeQemuUnsupported         Code = "qemu.unsupported"
	CodeRestBadContentType      Code = "rest.bad_content_type"
	CodeRestBadJson             Code = "rest.bad_json"
	CodeRestBadMethod           Code = "rest.bad_method"
	CodeRestBodyTooLarge        Code = "rest.body_too_large"
	CodeRestCanceled            Code = "rest.canceled"
	CodeRestInternal            Code = "rest.internal"
	CodeRestInvalidInput        Code = "rest.invalid_input"
	CodeRestNotFound            Code = "rest.not_found"
	CodeRestTooSlow             Code = "rest.too_slow"
	CodeSagaCanceled            Code = "saga.canceled"
	CodeSagaDeadline            Code = "saga.deadline"
)

var definitions = map[Code]Definition{
	CodeAgentBuildCanceled:      {Code: CodeAgentBuildCanceled, Kind: Conflict, Type: "", Hint: "Look at what removed the server while it was being built.", Meaning: "The build was given up because the guest is being removed."},
	CodeAgentDisksFailed:        {Code: CodeAgentDisksFailed, Kind: Unavailable, Type: "", Hint: "Look at the host's log; another host may do.", Meaning: "The host could not make the guest's disks."},
	CodeAgentGuestNotRunning:    {Code: CodeAgentGuestNotRunning, Kind: Conflict, Type: "", Hint: "Start the server first.", Meaning: "The guest does not run, so it cannot be asked."},
	CodeAgentGuestUnknown:       {Code: CodeAgentGuestUnknown, Kind: NotFound, Type: "", Hint: "Look at which host the server is on.", Meaning: "The host has no such guest."},
	CodeAgentHypervisorFailed:   {Code: CodeAgentHypervisorFailed, Kind: Unavailable, Type: "", Hint: "Look at the host's log; another host may do.", Meaning: "The hypervisor did not do what it was asked."},
	CodeAgentImageCorrupt:       {Code: CodeAgentImageCorrupt, Kind: Invalid, Type: "", Hint: "Upload the image again.", Meaning: "The image's bytes are not those its digest names."},
	CodeAgentImageUnavailable:   {Code: CodeAgentImageUnavailable, Kind: Invalid, Type: "", Hint: "Check that the image exists and is active.", Meaning: "The image service does not give the image out any more."},
	CodeAgentNoLocalRoot:        {Code: CodeAgentNoLocalRoot, Kind: Invalid, Type: "", Hint: "Take a snapshot of the volume instead.", Meaning: "The guest's root disk is a volume, so the host has no copy to make."},
	CodeAgentNoSpace:            {Code: CodeAgentNoSpace, Kind: Unavailable, Type: "", Hint: "Free room on the host, or let another host take it.", Meaning: "The host's disk is full."},
	CodeAgentPortUnavailable:    {Code: CodeAgentPortUnavailable, Kind: Invalid, Type: "", Hint: "Check that the port exists and is bound to this host.", Meaning: "The network service does not know one of the guest's ports."},
	CodeAgentServiceUnavailable: {Code: CodeAgentServiceUnavailable, Kind: Unavailable, Type: "", Hint: "Look at the health of the service named; then try again.", Meaning: "A service that the host asked did not answer as it should."},
	CodeAgentStaleDescription:   {Code: CodeAgentStaleDescription, Kind: Conflict, Type: "", Hint: "Read the server again and repeat the change.", Meaning: "The host already has a newer description of the guest."},
	CodeAgentVolumeUnavailable:  {Code: CodeAgentVolumeUnavailable, Kind: Invalid, Type: "", Hint: "Detach the volume, or wait until it is available.", Meaning: "The volume service gives no connection for the attachment."},
	CodeAgentWiringFailed:       {Code: CodeAgentWiringFailed, Kind: Unavailable, Type: "", Hint: "Look at the host's log; another host may do.", Meaning: "The host's network could not be programmed."},
	CodeAuthUnauthenticated:     {Code: CodeAuthUnauthenticated, Kind: Unauthenticated, Type: "", Hint: "Get a new token from the identity service.", Meaning: "No token, or one that is not valid any more."},
	CodeBusNobody:               {Code: CodeBusNobody, Kind: Unavailable, Type: "", Hint: "Look at 'altostack status' to see which hosts and services are up.", Meaning: "No process answers the subject."},
	CodeDbBusy:                  {Code: CodeDbBusy, Kind: Unavailable, Type: "", Hint: "Try again.", Meaning: "The database did not take the write in time."},
	CodeDbStale:                 {Code: CodeDbStale, Kind: Conflict, Type: "", Hint: "Read it again and repeat the change.", Meaning: "Another request changed the row first."},
	CodeMicroversionMalformed:   {Code: CodeMicroversionMalformed, Kind: Invalid, Type: "", Hint: "Send MAJOR.MINOR, or latest.", Meaning: "The version header is not a version."},
	CodeMicroversionUnsupported: {Code: CodeMicroversionUnsupported, Kind: NotAcceptable, Type: "", Hint: "Choose a version within the range that the version document gives.", Meaning: "The version is outside of what the service speaks."},
	CodePageBadLimit:            {Code: CodePageBadLimit, Kind: Invalid, Type: "HTTPBadRequest", Hint: "Send a positive whole number.", Meaning: "The limit is not a number of 0 or more."},
	CodePageBadMarker:           {Code: CodePageBadMarker, Kind: Invalid, Type: "HTTPBadRequest", Hint: "Start again without a marker.", Meaning: "The marker names nothing that the caller may see."},
	CodePageBadSort:             {Code: CodePageBadSort, Kind: Invalid, Type: "HTTPBadRequest", Hint: "Sort by an attribute that the reference lists as a sort key.", Meaning: "The sort key or direction is unknown."},
	CodePolicyForbidden:         {Code: CodePolicyForbidden, Kind: Forbidden, Type: "PolicyNotAuthorized", Hint: "Ask for a role that the rule names; 'altostack policy explain' shows which.", Meaning: "The policy rule refuses."},
	CodeQemuCopyFailed:          {Code: CodeQemuCopyFailed, Kind: Unavailable, Type: "", Hint: "Look at the host's log, then try again.", Meaning: "The disk could not be copied."},
	CodeQemuDiskInUse:           {Code: CodeQemuDiskInUse, Kind: Conflict, Type: "", Hint: "Find what else uses the disk and end it.", Meaning: "Something else holds one of the guest's disks."},
	CodeQemuDiskUnusable:        {Code: CodeQemuDiskUnusable, Kind: Invalid, Type: "", Hint: "Restore the disk from a copy.", Meaning: "A disk file is missing or is not what its format says."},
	CodeQemuGuestSilent:         {Code: CodeQemuGuestSilent, Kind: Unavailable, Type: "", Hint: "Reboot the server hard.", Meaning: "The guest's process does not answer its control channel."},
	CodeQemuMissing:             {Code: CodeQemuMissing, Kind: Unavailable, Type: "", Hint: "Install qemu-system-x86, and make sure that the binary configured is there.", Meaning: "The host has no usable QEMU."},
	CodeQemuNoFreeSlot:          {Code: CodeQemuNoFreeSlot, Kind: Conflict, Type: "", Hint: "Detach something, or stop and start the server.", Meaning: "A running guest has no free place for another device."},
	CodeQemuStartFailed:         {Code: CodeQemuStartFailed, Kind: Unavailable, Type: "", Hint: "Look at the host's log; another host may do.", Meaning: "QEMU ended before the guest ran."},
	CodeQemuUnplugRefused:       {Code: CodeQemuUnplugRefused, Kind: Conflict, Type: "", Hint: "Unmount the disk in the guest and try again, or stop the server.", Meaning: "The guest did not let go of a device in time."},
	CodeQemuUnsupported:         {Code: CodeQemuUnsupported, Kind: Invalid, Type: "", Hint: "Change the flavor's or the image's properties.", Meaning: "The guest asks for what the driver does not offer."},
	CodeRestBadContentType:      {Code: CodeRestBadContentType, Kind: UnsupportedType, Type: "", Hint: "Send Content-Type: application/json.", Meaning: "The body's content type is not accepted."},
	CodeRestBadJson:             {Code: CodeRestBadJson, Kind: Invalid, Type: "HTTPBadRequest", Hint: "Send one well-formed JSON object.", Meaning: "The body is not the JSON object that was expected."},
	CodeRestBadMethod:           {Code: CodeRestBadMethod, Kind: BadMethod, Type: "", Hint: "Use one of the methods named in the Allow header.", Meaning: "The path does not take this method."},
	CodeRestBodyTooLarge:        {Code: CodeRestBodyTooLarge, Kind: TooLarge, Type: "", Hint: "Send a smaller body.", Meaning: "The body is over the limit."},
	CodeRestCanceled:            {Code: CodeRestCanceled, Kind: Unavailable, Type: "", Hint: "", Meaning: "The client went away before the answer."},
	CodeRestInternal:            {Code: CodeRestInternal, Kind: Internal, Type: "", Hint: "Report it with the request id; the log has the cause under that id.", Meaning: "The server met an unexpected condition."},
	CodeRestInvalidInput:        {Code: CodeRestInvalidInput, Kind: Invalid, Type: "HTTPBadRequest", Hint: "", Meaning: "A field has a wrong type, form or value."},
	CodeRestNotFound:            {Code: CodeRestNotFound, Kind: NotFound, Type: "HTTPNotFound", Hint: "Check the path against the service's version document.", Meaning: "No such path."},
	CodeRestTooSlow:             {Code: CodeRestTooSlow, Kind: Unavailable, Type: "", Hint: "Try again; if it stays, look at the load.", Meaning: "The request ran into its deadline."},
	CodeSagaCanceled:            {Code: CodeSagaCanceled, Kind: Conflict, Type: "", Hint: "", Meaning: "A later request, as a delete, gave the operation up."},
	CodeSagaDeadline:            {Code: CodeSagaDeadline, Kind: Unavailable, Type: "", Hint: "Look at the trace for the step that took too long, then try again.", Meaning: "The operation did not end within its deadline."},
}
