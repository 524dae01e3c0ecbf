package store

import (
	"context"
	"fmt"
	"time"

	"altostack/image"
	"altostack/kernel/db"
	"altostack/kernel/page"
)

// fillLocations adds where the data of images is.
func fillLocations(ctx context.Context, r db.Reader, ids []string, byID map[string]*image.Image) error {
	type row struct {
		id string
		image.Location
	}
	rows, _, err := page.List(ctx, r, page.From("image_id, store, url, metadata, ready", "image_locations", "image_id").In("image_id", ids),
		page.Request{Sort: []page.Key{{Column: "position"}}}, func(s db.Scanner) (l row, err error) {
			return l, s.Scan(&l.id, &l.Store, &l.URL, db.FromJSON{Into: &l.Metadata}, &l.Ready)
		})
	if err != nil {
		return fmt.Errorf("read locations: %w", err)
	}
	for _, l := range rows {
		byID[l.id].Locations = append(byID[l.id].Locations, l.Location)
	}
	return nil
}

// SetLocations replaces where an image's data is.
func (s *Store) SetLocations(ctx context.Context, tx *db.Tx, id string, locations []image.Location) error {
	if _, err := tx.Exec(ctx, "DELETE FROM image_locations WHERE image_id = $1", id); err != nil {
		return err
	}
	for i, l := range locations {
		if l.Metadata == nil {
			l.Metadata = map[string]string{}
		}
		const q = "INSERT INTO image_locations (image_id, position, store, url, metadata, ready) VALUES ($1, $2, $3, $4, $5, $6)"
		if _, err := tx.Exec(ctx, q, id, i, l.Store, l.URL, db.JSON(l.Metadata), l.Ready); err != nil {
			return fmt.Errorf("save locations of image %s: %w", id, err)
		}
	}
	return nil
}

// Blobs names every blob that a row names.
func (s *Store) Blobs(ctx context.Context, r db.Reader) (image.Named, error) {
	var out image.Named
	for _, q := range []struct {
		into *map[string]bool
		text string
	}{
		{&out.Stored, "SELECT l.store || '/' || i.blob FROM images i JOIN image_locations l ON l.image_id = i.id WHERE i.blob <> '' AND l.url = ''"},
		{&out.Staged, "SELECT blob FROM images WHERE blob <> '' AND status IN ('uploading', 'importing')"},
		{&out.Cached, "SELECT blob FROM image_cache"},
	} {
		names, err := db.List(ctx, r, db.Value[string], q.text)
		if err != nil {
			return out, fmt.Errorf("read names of blobs: %w", err)
		}
		*q.into = make(map[string]bool, len(names))
		for _, n := range names {
			(*q.into)[n] = true
		}
	}
	return out, nil
}

const taskColumns = "id, type, status, owner, user_id, request_id, image_id, input, result, message, expires_at, created_at, updated_at"

func scanTask(s db.Scanner) (image.Task, error) {
	var t image.Task
	var input, result string
	var expires, created, updated int64
	err := s.Scan(&t.ID, &t.Type, &t.Status, &t.Owner, &t.UserID, &t.RequestID, &t.ImageID, &input, &result, &t.Message, &expires, &created, &updated)
	t.Input, t.CreatedAt, t.UpdatedAt = []byte(input), db.Time(created), db.Time(updated)
	if result != "" {
		t.Result = []byte(result)
	}
	if expires != 0 {
		t.ExpiresAt = db.Time(expires)
	}
	return t, err
}

// expiry is 0 for what has not ended, which no deadline passes.
func expiry(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return db.Micros(t)
}

// InsertTask adds a task.
func (s *Store) InsertTask(ctx context.Context, tx *db.Tx, t image.Task) error {
	const q = "INSERT INTO image_tasks (" + taskColumns + ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
	_, err := tx.Exec(ctx, q, t.ID, t.Type, t.Status, t.Owner, t.UserID, t.RequestID, t.ImageID, string(t.Input), string(t.Result), t.Message,
		expiry(t.ExpiresAt), db.Micros(t.CreatedAt), db.Micros(t.UpdatedAt))
	return err
}

// SaveTask writes what changes of a task.
func (s *Store) SaveTask(ctx context.Context, tx *db.Tx, t image.Task) error {
	_, err := tx.Exec(ctx, "UPDATE image_tasks SET status = $1, result = $2, message = $3, expires_at = $4, updated_at = $5 WHERE id = $6",
		t.Status, string(t.Result), t.Message, expiry(t.ExpiresAt), db.Micros(t.UpdatedAt), t.ID)
	return err
}

// Task reads one task.
func (s *Store) Task(ctx context.Context, r db.Reader, id string) (image.Task, bool, error) {
	return db.Get(ctx, r, scanTask, "SELECT "+taskColumns+" FROM image_tasks WHERE id = $1", id)
}

// Tasks reads a page of tasks.
func (s *Store) Tasks(ctx context.Context, r db.Reader, q image.TaskQuery) ([]image.Task, bool, error) {
	sel := page.From(taskColumns, "image_tasks", "id")
	for column, value := range map[string]string{"owner": q.Owner, "image_id": q.ImageID, "status": q.Status, "type": q.Type} {
		if value != "" {
			sel.Equal(column, value)
		}
	}
	return page.List(ctx, r, sel, q.Page, scanTask)
}

// ForgetTasks removes tasks that expired.
func (s *Store) ForgetTasks(ctx context.Context, tx *db.Tx, now time.Time) error {
	_, err := tx.Exec(ctx, "DELETE FROM image_tasks WHERE expires_at > 0 AND expires_at < $1", db.Micros(now))
	return err
}

const cacheColumns = "c.image_id, c.blob, c.ready, c.hits, c.last_accessed, c.last_modified, c.queued_at, i.size, i.checksum"

func scanCached(s db.Scanner) (image.Cached, error) {
	var c image.Cached
	var accessed, modified, queued int64
	err := s.Scan(&c.ImageID, &c.Blob, &c.Ready, &c.Hits, &accessed, &modified, &queued, &c.Size, &c.Checksum)
	c.LastAccessed, c.LastModified, c.QueuedAt = db.Time(accessed), db.Time(modified), db.Time(queued)
	return c, err
}

// Cached reads the cache's row of one image.
func (s *Store) Cached(ctx context.Context, r db.Reader, id string) (image.Cached, bool, error) {
	return db.Get(ctx, r, scanCached, "SELECT "+cacheColumns+" FROM image_cache c JOIN images i ON i.id = c.image_id WHERE c.image_id = $1", id)
}

// CachedAll reads the cache's rows, oldest first.
func (s *Store) CachedAll(ctx context.Context, r db.Reader) ([]image.Cached, error) {
	return db.List(ctx, r, scanCached, "SELECT "+cacheColumns+" FROM image_cache c JOIN images i ON i.id = c.image_id ORDER BY c.queued_at, c.image_id")
}

// SaveCached writes the cache's row of one image.
func (s *Store) SaveCached(ctx context.Context, tx *db.Tx, c image.Cached) error {
	const q = `
		INSERT INTO image_cache (image_id, blob, ready, hits, last_accessed, last_modified, queued_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (image_id) DO UPDATE SET blob = $2, ready = $3, hits = $4, last_accessed = $5, last_modified = $6`
	_, err := tx.Exec(ctx, q, c.ImageID, c.Blob, c.Ready, c.Hits, db.Micros(c.LastAccessed), db.Micros(c.LastModified), db.Micros(c.QueuedAt))
	return err
}

// DeleteCached removes the cache's row of one image.
func (s *Store) DeleteCached(ctx context.Context, tx *db.Tx, id string) error {
	_, err := tx.Exec(ctx, "DELETE FROM image_cache WHERE image_id = $1", id)
	return err
}
