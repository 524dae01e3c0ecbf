package image

import (
	"context"
	"time"

	"altostack/kernel/db"
	"altostack/kernel/page"
)

// Store is what the service asks of its tables. Every write is part of the
// caller's transaction.
type Store interface {
	Find(ctx context.Context, r db.Reader, id string) (Image, bool, error)
	List(ctx context.Context, r db.Reader, q Query) (images []Image, more bool, err error)
	Insert(ctx context.Context, tx *db.Tx, img Image) error
	// Save writes img if its row is one generation behind, and reports whether it was.
	Save(ctx context.Context, tx *db.Tx, img Image) (bool, error)
	Delete(ctx context.Context, tx *db.Tx, id string) error
	Used(ctx context.Context, r db.Reader, owner string) (Used, error)

	Member(ctx context.Context, r db.Reader, image, member string) (Member, bool, error)
	Members(ctx context.Context, r db.Reader, image string) ([]Member, error)
	SaveMember(ctx context.Context, tx *db.Tx, m Member) error
	DeleteMember(ctx context.Context, tx *db.Tx, image, member string) error

	// SetLocations replaces where an image's data is.
	SetLocations(ctx context.Context, tx *db.Tx, image string, locations []Location) error

	// Extend moves the deadline of a process's uploads.
	Extend(ctx context.Context, tx *db.Tx, uploader string, deadline time.Time) error
	// Abandoned lists images whose upload nobody is at any more.
	Abandoned(ctx context.Context, r db.Reader, now time.Time, alone bool, self string) ([]Image, error)
	// Blobs names every blob that a row names.
	Blobs(ctx context.Context, r db.Reader) (Named, error)

	InsertTask(ctx context.Context, tx *db.Tx, t Task) error
	SaveTask(ctx context.Context, tx *db.Tx, t Task) error
	Task(ctx context.Context, r db.Reader, id string) (Task, bool, error)
	Tasks(ctx context.Context, r db.Reader, q TaskQuery) (tasks []Task, more bool, err error)
	// ForgetTasks removes tasks that expired.
	ForgetTasks(ctx context.Context, tx *db.Tx, now time.Time) error

	Cached(ctx context.Context, r db.Reader, image string) (Cached, bool, error)
	CachedAll(ctx context.Context, r db.Reader) ([]Cached, error)
	SaveCached(ctx context.Context, tx *db.Tx, c Cached) error
	DeleteCached(ctx context.Context, tx *db.Tx, image string) error
}

// Named are the blobs that rows name, each as store/blob; what is staged or cached
// counts apart.
type Named struct{ Stored, Staged, Cached map[string]bool }

// Query is a list of images as a caller may see it.
type Query struct {
	Page page.Request

	// ProjectID is the caller's; Admin sees everything.
	ProjectID string
	Admin     bool
	// MemberStatus of images shared with the caller: accepted, pending, rejected, all.
	MemberStatus string
	// Visibility: one of them, all, or empty for the usual choice, which leaves
	// out the community images of others.
	Visibility string
	Hidden     bool
	Protected  *bool
	Tags       []string          // all of them
	Filters    []Filter          // all of them
	Properties map[string]string // all of them
}

// Filter compares a column with values. Op is one of = in != < <= > >=.
type Filter struct {
	Column, Op string
	Values     []any
}
