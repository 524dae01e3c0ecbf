package image

import (
	"context"
	"encoding/json"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/page"
	"altostack/kernel/telemetry"
)

// The states of a task.
const (
	TaskPending    = "pending"
	TaskProcessing = "processing"
	TaskSuccess    = "success"
	TaskFailure    = "failure"
)

// The types of a task.
const (
	TaskImport   = "import"           // POST /v2/tasks: an image is made and filled
	TaskAPI      = "api_image_import" // POST /v2/images/{id}/import
	TaskLocation = "location_import"  // POST /v2/images/{id}/locations
)

// taskLife is how long a task is kept after its end, as in Glance.
const taskLife = 48 * time.Hour

// Task is what was or is done with an image on request.
type Task struct {
	ID, Type, Status, Owner, UserID, RequestID, ImageID string
	Input, Result                                       json.RawMessage
	Message                                             string
	ExpiresAt                                           time.Time // zero: it has not ended
	CreatedAt, UpdatedAt                                time.Time
}

// TaskQuery is a list of tasks.
type TaskQuery struct {
	Page                  page.Request
	Owner                 string // empty: everybody's
	ImageID, Status, Type string // empty: any
}

func errNoTask(id string) error {
	return fault.New(fault.CodeImageTaskNotFound, "No task found with ID %s", id)
}

// Task answers a task of the caller's project, with All any.
func (s *Service) Task(ctx context.Context, scope auth.Scope, id string) (Task, error) {
	t, found, err := s.store.Task(ctx, s.db, id)
	if err != nil {
		return t, err
	}
	if !found || !scope.Sees(t.Owner) && !scope.IsAdmin() {
		return Task{}, errNoTask(id)
	}
	return t, nil
}

// Tasks lists tasks of the caller's project, with All everybody's.
func (s *Service) Tasks(ctx context.Context, scope auth.Scope, q TaskQuery) ([]Task, bool, error) {
	if !scope.All {
		q.Owner = scope.ProjectID
	}
	return s.store.Tasks(ctx, s.db, q)
}

// TasksOf lists the tasks of an image that the caller may see, newest first.
func (s *Service) TasksOf(ctx context.Context, scope auth.Scope, image string) ([]Task, error) {
	if _, err := s.Get(ctx, scope, image); err != nil {
		return nil, err
	}
	tasks, _, err := s.store.Tasks(ctx, s.db, TaskQuery{ImageID: image, Page: page.Request{Sort: []page.Key{{Column: "created_at", Desc: true}}}})
	return tasks, err
}

// newTask is a task of the caller's that has just been asked for.
func (s *Service) newTask(ctx context.Context, scope auth.Scope, kind, image string, input any) (Task, error) {
	raw, err := json.Marshal(input)
	now := s.clock.Now().Truncate(time.Second)
	return Task{ID: s.ids.UUID(), Type: kind, Status: TaskPending, Owner: scope.ProjectID, UserID: scope.UserID, RequestID: telemetry.RequestID(ctx),
		ImageID: image, Input: raw, CreatedAt: now, UpdatedAt: now}, err
}

// settle ends or moves a task on; one that is gone is none of our business.
func (s *Service) settle(ctx context.Context, tx *db.Tx, id, status, message string) error {
	t, found, err := s.store.Task(ctx, tx, id)
	if err != nil || !found {
		return err
	}
	now := s.clock.Now().Truncate(time.Second)
	t.Status, t.Message, t.UpdatedAt = status, message, now
	switch status {
	case TaskSuccess:
		t.Result, err = json.Marshal(map[string]string{"image_id": t.ImageID})
		t.ExpiresAt = now.Add(taskLife)
	case TaskFailure:
		t.ExpiresAt = now.Add(taskLife)
	}
	if err != nil {
		return err
	}
	return s.store.SaveTask(ctx, tx, t)
}
