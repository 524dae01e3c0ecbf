package compute

import (
	"context"
	"slices"

	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// verb is an operation on a server: when it is allowed and what it starts.
type verb struct {
	action, event string // names in the server's list of actions
	word          string // Nova's word for it in messages
	from          []VMState
	task          Task
	want          hostapi.Power // empty: unchanged
	kind          string
	tasks         []Task // tasks it may interrupt
	hard          bool
}

var (
	verbStart   = verb{"start", "compute_start_instance", "start", []VMState{VMStopped}, TaskPoweringOn, hostapi.PowerOn, KindPower, nil, false}
	verbStop    = verb{"stop", "compute_stop_instance", "stop", []VMState{VMActive, VMError}, TaskPoweringOff, hostapi.PowerOff, KindPower, nil, false}
	verbPause   = verb{"pause", "compute_pause_instance", "pause", []VMState{VMActive}, TaskPausing, hostapi.PowerPaused, KindPower, nil, false}
	verbUnpause = verb{"unpause", "compute_unpause_instance", "unpause", []VMState{VMPaused}, TaskUnpausing, hostapi.PowerOn, KindPower, nil, false}
	verbSoft    = verb{"reboot", "compute_reboot_instance", "reboot", []VMState{VMActive}, TaskRebooting, hostapi.PowerOn, KindReboot, nil, false}
	verbHard    = verb{"reboot", "compute_reboot_instance", "reboot", []VMState{VMActive, VMStopped, VMPaused, VMError}, TaskRebootingHard, hostapi.PowerOn, KindReboot,
		[]Task{TaskRebooting}, true}
)

// Start powers a stopped server on.
func (s *Service) Start(ctx context.Context, scope auth.Scope, id string) error {
	return s.accept(ctx, scope, id, verbStart)
}

// Stop powers a server off; its guest is asked first.
func (s *Service) Stop(ctx context.Context, scope auth.Scope, id string) error {
	return s.accept(ctx, scope, id, verbStop)
}

// Pause stops a server's CPUs.
func (s *Service) Pause(ctx context.Context, scope auth.Scope, id string) error {
	return s.accept(ctx, scope, id, verbPause)
}

// Unpause lets them run on.
func (s *Service) Unpause(ctx context.Context, scope auth.Scope, id string) error {
	return s.accept(ctx, scope, id, verbUnpause)
}

// Reboot restarts a server: soft asks the guest, hard makes it anew.
func (s *Service) Reboot(ctx context.Context, scope auth.Scope, id string, hard bool) error {
	if hard {
		return s.accept(ctx, scope, id, verbHard)
	}
	return s.accept(ctx, scope, id, verbSoft)
}

// accept checks that a server may be worked on, and saves its task, its desired
// power, the action and the saga in one transaction.
func (s *Service) accept(ctx context.Context, scope auth.Scope, id string, v verb) error {
	_, err := s.Change(ctx, scope, id, func(ctx context.Context, tx *db.Tx, srv *Server) error {
		if err := Unlocked(scope, *srv); err != nil {
			return err
		}
		if err := may(*srv, v.word, v.from, v.tasks); err != nil {
			return err
		}
		if srv.Host == "" {
			return fault.New(fault.CodeComputeWrongState, "Instance %s is not ready", srv.ID) // failed before it had a host
		}
		op := s.op(ctx, *srv, v.action, v.event)
		op.Hard = v.hard
		srv.Task = v.task
		if v.want != "" {
			srv.Want = v.want
		}
		if err := s.note(ctx, tx, *srv, v.action); err != nil {
			return err
		}
		_, err := s.flows.Start(ctx, tx, v.kind, op)
		return err
	})
	return err
}

func (s *Service) op(ctx context.Context, srv Server, action, event string) Op {
	return Op{ServerID: srv.ID, ProjectID: srv.ProjectID, UserID: srv.UserID, RequestID: requestID(ctx), Action: action, Event: event,
		StartedAt: s.Clock.Now(), Before: srv.VMState}
}

// may refuses an operation in the wrong state, in Nova's words.
func may(srv Server, word string, from []VMState, tasks []Task) error {
	if !slices.Contains(from, srv.VMState) {
		return fault.New(fault.CodeComputeWrongState, "Cannot '%s' instance %s while it is in vm_state %s", word, srv.ID, srv.VMState)
	}
	if srv.Task != TaskNone && !slices.Contains(tasks, srv.Task) {
		return fault.New(fault.CodeComputeWrongState, "Cannot '%s' instance %s while it is in task_state %s", word, srv.ID, srv.Task)
	}
	return nil
}

// Unlocked refuses to work on a locked server, but for those who may override.
func Unlocked(scope auth.Scope, srv Server) error {
	if srv.Locked && !scope.IsAdmin() {
		return fault.New(fault.CodeComputeServerLocked, "Instance %s is locked", srv.ID)
	}
	return nil
}

// Delete ends a server. A boot under way is undone first; asked again, it does
// nothing more.
func (s *Service) Delete(ctx context.Context, scope auth.Scope, id string) error {
	_, err := s.Change(ctx, scope, id, func(ctx context.Context, tx *db.Tx, srv *Server) error {
		if err := Unlocked(scope, *srv); err != nil {
			return err
		}
		if srv.Task == TaskDeleting {
			return nil
		}
		op := s.op(ctx, *srv, "delete", "compute_terminate_instance")
		srv.Task, srv.Progress = TaskDeleting, 0
		if err := s.note(ctx, tx, *srv, "delete"); err != nil {
			return err
		}
		if err := s.flows.CancelBoot(ctx, tx, srv.ID); err != nil {
			return err
		}
		_, err := s.flows.Start(ctx, tx, KindDelete, op)
		return err
	})
	return err
}

// Lock keeps all but administrators from changing a server.
func (s *Service) Lock(ctx context.Context, scope auth.Scope, id string, reason *string) error {
	_, err := s.Change(ctx, scope, id, func(ctx context.Context, tx *db.Tx, srv *Server) error {
		by := "owner"
		if scope.IsAdmin() && scope.ProjectID != srv.ProjectID {
			by = "admin"
		}
		if srv.Locked && srv.LockedBy == "admin" && by == "owner" {
			return nil
		}
		srv.Locked, srv.LockedBy, srv.LockedReason = true, by, reason
		return s.noteDone(ctx, tx, *srv, "lock")
	})
	return err
}

// Unlock ends a lock; an administrator's lock needs the rule unlock_override.
func (s *Service) Unlock(ctx context.Context, scope auth.Scope, id string) error {
	_, err := s.Change(ctx, scope, id, func(ctx context.Context, tx *db.Tx, srv *Server) error {
		if srv.Locked && srv.LockedBy == "admin" {
			if err := scope.Check("os_compute_api:os-lock-server:unlock:unlock_override", auth.Target{"project_id": srv.ProjectID, "user_id": srv.UserID}); err != nil {
				return err
			}
		}
		srv.Locked, srv.LockedBy, srv.LockedReason = false, "", nil
		return s.noteDone(ctx, tx, *srv, "unlock")
	})
	return err
}

// ResetState is an operator's word that a server is active or in error.
func (s *Service) ResetState(ctx context.Context, scope auth.Scope, id string, active bool) error {
	_, err := s.Change(ctx, scope, id, func(ctx context.Context, tx *db.Tx, srv *Server) error {
		srv.Task = TaskNone
		if srv.VMState = VMError; active {
			srv.VMState, srv.Fault = VMActive, nil
		}
		return nil
	})
	return err
}

// Edit is a change of what a server is called.
type Edit struct {
	Name, Hostname, AccessIPv4, AccessIPv6, DiskConfig *string
	Description                                        *string
	SetDescription                                     bool
}

// Update renames a server, and so on. Its guest learns of it from the metadata.
func (s *Service) Update(ctx context.Context, scope auth.Scope, id string, e Edit) (Server, error) {
	return s.Change(ctx, scope, id, func(_ context.Context, _ *db.Tx, srv *Server) error {
		e.apply(srv)
		return nil
	})
}

func (e Edit) apply(srv *Server) {
	set := func(to *string, from *string) {
		if from != nil {
			*to = *from
		}
	}
	set(&srv.Name, e.Name)
	set(&srv.Hostname, e.Hostname)
	set(&srv.AccessIPv4, e.AccessIPv4)
	set(&srv.AccessIPv6, e.AccessIPv6)
	set(&srv.DiskConfig, e.DiskConfig)
	srv.AccessIPv4, srv.AccessIPv6 = canonical(srv.AccessIPv4), canonical(srv.AccessIPv6)
	if e.SetDescription {
		srv.Description = e.Description
	}
}

// SetMetadata replaces, merges or removes metadata; f changes the map.
func (s *Service) SetMetadata(ctx context.Context, scope auth.Scope, id, word string, f func(m map[string]string) error) (Server, error) {
	limits := Quotas(nil)
	return s.Change(ctx, scope, id, func(ctx context.Context, tx *db.Tx, srv *Server) error {
		if err := Unlocked(scope, *srv); err != nil {
			return err
		}
		if err := may(*srv, word, []VMState{VMActive, VMPaused, VMStopped}, allTasks); err != nil {
			return err
		}
		if srv.Metadata == nil {
			srv.Metadata = map[string]string{}
		}
		if err := f(srv.Metadata); err != nil {
			return err
		}
		var err error
		if limits, err = s.quotas(ctx, tx, srv.ProjectID); err != nil {
			return err
		}
		if limit := limits["metadata_items"]; limit >= 0 && int64(len(srv.Metadata)) > limit {
			return fault.New(fault.CodeComputeTooMuchMetadata, "Maximum number of metadata items exceeds %d", limit)
		}
		return s.refresh(ctx, tx, *srv)
	})
}

// allTasks are those during which a server may be described anew.
var allTasks = []Task{TaskPoweringOn, TaskPoweringOff, TaskRebooting, TaskRebootingHard, TaskPausing, TaskUnpausing, TaskImageSnapshot, TaskImageUploading}

// refresh brings a server's new description to its host.
func (s *Service) refresh(ctx context.Context, tx *db.Tx, srv Server) error {
	if srv.Host == "" || srv.Task == TaskDeleting || srv.VMState == VMBuilding {
		return nil
	}
	op := s.op(ctx, srv, "", "")
	_, err := s.flows.Start(ctx, tx, KindRefresh, op)
	return err
}

// SetTags changes a server's tags; f gets a sorted list and answers the new.
func (s *Service) SetTags(ctx context.Context, scope auth.Scope, id string, f func(tags []string) ([]string, error)) (Server, error) {
	return s.Change(ctx, scope, id, func(ctx context.Context, tx *db.Tx, srv *Server) error {
		if srv.VMState == VMBuilding && srv.Task == TaskDeleting {
			return may(*srv, "update tags", nil, nil)
		}
		tags, err := f(srv.Tags)
		if err != nil {
			return err
		}
		if srv.Tags = tags; tags == nil {
			srv.Tags = []string{}
		}
		slices.Sort(srv.Tags)
		srv.Tags = slices.Compact(srv.Tags)
		return nil
	})
}
