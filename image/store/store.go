// Package store keeps the image service's tables.
package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"altostack/image"
	"altostack/kernel/db"
	"altostack/kernel/page"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the image service's tables.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return sub
}

// Store implements image.Store.
type Store struct{}

// New makes a store.
func New() *Store { return &Store{} }

const columns = `id, name, status, visibility, owner, disk_format, container_format, checksum, hash_algo, hash_value, size, virtual_size,
	min_disk, min_ram, protected, hidden, blob, uploader, deadline, generation, created_at, updated_at`

func scan(s db.Scanner) (image.Image, error) {
	var i image.Image
	var deadline, created, updated int64
	err := s.Scan(&i.ID, &i.Name, &i.Status, &i.Visibility, &i.Owner, &i.DiskFormat, &i.ContainerFormat, &i.Checksum, &i.HashAlgo, &i.HashValue,
		&i.Size, &i.VirtualSize, &i.MinDiskGiB, &i.MinRAMMiB, &i.Protected, &i.Hidden, &i.Blob, &i.Uploader, &deadline, &i.Generation, &created, &updated)
	i.Deadline, i.CreatedAt, i.UpdatedAt = db.Time(deadline), db.Time(created), db.Time(updated)
	if deadline == 0 {
		i.Deadline = time.Time{}
	}
	return i, err
}

// Find reads one image.
func (s *Store) Find(ctx context.Context, r db.Reader, id string) (image.Image, bool, error) {
	img, found, err := db.Get(ctx, r, scan, "SELECT "+columns+" FROM images WHERE id = $1", id)
	if err != nil || !found {
		return img, found, err
	}
	list := []image.Image{img}
	err = fill(ctx, r, list)
	return list[0], true, err
}

// fill adds properties and tags to images, in two queries for all of them.
func fill(ctx context.Context, r db.Reader, images []image.Image) error {
	if len(images) == 0 {
		return nil
	}
	byID := make(map[string]*image.Image, len(images))
	ids := make([]string, len(images))
	for i := range images {
		images[i].Properties = map[string]string{}
		byID[images[i].ID], ids[i] = &images[i], images[i].ID
	}
	type triple struct{ id, name, value string }
	props, _, err := page.List(ctx, r, page.From("image_id, name, value", "image_properties", "image_id").In("image_id", ids), page.Request{}, func(s db.Scanner) (t triple, err error) {
		return t, s.Scan(&t.id, &t.name, &t.value)
	})
	if err != nil {
		return fmt.Errorf("read properties: %w", err)
	}
	for _, p := range props {
		byID[p.id].Properties[p.name] = p.value
	}
	tags, _, err := page.List(ctx, r, page.From("image_id, tag", "image_tags", "image_id").In("image_id", ids), page.Request{Sort: []page.Key{{Column: "tag"}}}, func(s db.Scanner) (t triple, err error) {
		return t, s.Scan(&t.id, &t.name)
	})
	if err != nil {
		return fmt.Errorf("read tags: %w", err)
	}
	for _, t := range tags {
		byID[t.id].Tags = append(byID[t.id].Tags, t.name)
	}
	return fillLocations(ctx, r, ids, byID)
}

// List reads a page of images as a caller may see them.
func (s *Store) List(ctx context.Context, r db.Reader, q image.Query) ([]image.Image, bool, error) {
	sel := page.From(columns, "images", "id")
	visible(sel, q)
	sel.Where("hidden = ?", q.Hidden)
	if q.Protected != nil {
		sel.Where("protected = ?", *q.Protected)
	}
	for _, tag := range q.Tags {
		sel.Where("EXISTS (SELECT 1 FROM image_tags t WHERE t.image_id = images.id AND t.tag = ?)", tag)
	}
	for _, name := range slices.Sorted(maps.Keys(q.Properties)) {
		sel.Where("EXISTS (SELECT 1 FROM image_properties p WHERE p.image_id = images.id AND p.name = ? AND p.value = ?)", name, q.Properties[name])
	}
	for _, f := range q.Filters {
		if f.Op == "in" {
			sel.Where(f.Column+" IN (?"+strings.Repeat(", ?", len(f.Values)-1)+")", f.Values...)
			continue
		}
		sel.Where(f.Column+" "+f.Op+" ?", f.Values...)
	}
	images, more, err := page.List(ctx, r, sel, q.Page, scan)
	if err != nil {
		return nil, false, err
	}
	return images, more, fill(ctx, r, images)
}

// visible restricts a list to what its caller may see.
func visible(sel *page.Select, q image.Query) {
	const shared = "visibility = 'shared' AND EXISTS (SELECT 1 FROM image_members m WHERE m.image_id = images.id AND m.member_id = ?"
	switch {
	case q.Admin:
	case q.MemberStatus == "all":
		sel.Where("visibility IN ('public', 'community') OR owner = ? OR "+shared+")", q.ProjectID, q.ProjectID)
	default:
		sel.Where("visibility IN ('public', 'community') OR owner = ? OR "+shared+" AND m.status = ?)", q.ProjectID, q.ProjectID, q.MemberStatus)
	}
	switch q.Visibility {
	case "":
		sel.Where("visibility <> 'community' OR owner = ?", q.ProjectID)
	case "all":
	default:
		sel.Where("visibility = ?", q.Visibility)
	}
}

// Insert adds an image.
func (s *Store) Insert(ctx context.Context, tx *db.Tx, i image.Image) error {
	const q = `
		INSERT INTO images (` + columns + `)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)`
	_, err := tx.Exec(ctx, q, i.ID, i.Name, i.Status, i.Visibility, i.Owner, i.DiskFormat, i.ContainerFormat, i.Checksum, i.HashAlgo, i.HashValue,
		i.Size, i.VirtualSize, i.MinDiskGiB, i.MinRAMMiB, i.Protected, i.Hidden, i.Blob, i.Uploader, db.Micros(i.Deadline), i.Generation, db.Micros(i.CreatedAt), db.Micros(i.UpdatedAt))
	if err != nil {
		return fmt.Errorf("insert image %s: %w", i.ID, err)
	}
	return insertLists(ctx, tx, i)
}

func insertLists(ctx context.Context, tx *db.Tx, i image.Image) error {
	for _, name := range slices.Sorted(maps.Keys(i.Properties)) {
		if _, err := tx.Exec(ctx, "INSERT INTO image_properties (image_id, name, value) VALUES ($1, $2, $3)", i.ID, name, i.Properties[name]); err != nil {
			return err
		}
	}
	for _, tag := range i.Tags {
		if _, err := tx.Exec(ctx, "INSERT INTO image_tags (image_id, tag) VALUES ($1, $2)", i.ID, tag); err != nil {
			return err
		}
	}
	return nil
}

// Save writes an image if its row is one generation behind.
func (s *Store) Save(ctx context.Context, tx *db.Tx, i image.Image) (bool, error) {
	const q = `
		UPDATE images SET name = $1, status = $2, visibility = $3, owner = $4, disk_format = $5, container_format = $6, checksum = $7,
			hash_algo = $8, hash_value = $9, size = $10, virtual_size = $11, min_disk = $12, min_ram = $13, protected = $14, hidden = $15,
			blob = $16, uploader = $17, deadline = $18, generation = $19, updated_at = $20
		 WHERE id = $21 AND generation = $19 - 1`
	n, err := tx.Exec(ctx, q, i.Name, i.Status, i.Visibility, i.Owner, i.DiskFormat, i.ContainerFormat, i.Checksum, i.HashAlgo, i.HashValue,
		i.Size, i.VirtualSize, i.MinDiskGiB, i.MinRAMMiB, i.Protected, i.Hidden, i.Blob, i.Uploader, db.Micros(i.Deadline), i.Generation, db.Micros(i.UpdatedAt), i.ID)
	if err != nil || n == 0 {
		return false, err
	}
	for _, q := range []string{"DELETE FROM image_properties WHERE image_id = $1", "DELETE FROM image_tags WHERE image_id = $1"} {
		if _, err := tx.Exec(ctx, q, i.ID); err != nil {
			return false, err
		}
	}
	return true, insertLists(ctx, tx, i)
}

// Delete removes an image with all that hangs on it.
func (s *Store) Delete(ctx context.Context, tx *db.Tx, id string) error {
	for _, q := range []string{
		"DELETE FROM image_properties WHERE image_id = $1", "DELETE FROM image_tags WHERE image_id = $1",
		"DELETE FROM image_members WHERE image_id = $1", "DELETE FROM image_locations WHERE image_id = $1", "DELETE FROM image_cache WHERE image_id = $1", "DELETE FROM images WHERE id = $1",
	} {
		if _, err := tx.Exec(ctx, q, id); err != nil {
			return fmt.Errorf("delete image %s: %w", id, err)
		}
	}
	return nil
}

// Used sums a project's images.
func (s *Store) Used(ctx context.Context, r db.Reader, owner string) (image.Used, error) {
	const q = `
		SELECT COUNT(*), COALESCE(SUM(CASE WHEN status IN ('saving', 'uploading', 'importing') THEN 1 ELSE 0 END), 0),
		       COALESCE(SUM(CASE WHEN size > 0 AND status NOT IN ('uploading', 'importing') THEN size ELSE 0 END), 0),
		       COALESCE(SUM(CASE WHEN size > 0 AND status IN ('uploading', 'importing') THEN size ELSE 0 END), 0)
		  FROM images WHERE owner = $1`
	u, _, err := db.Get(ctx, r, func(s db.Scanner) (u image.Used, err error) {
		return u, s.Scan(&u.Images, &u.Uploading, &u.Bytes, &u.Staged)
	}, q, owner)
	return u, err
}

// Extend moves the deadline of a process's uploads.
func (s *Store) Extend(ctx context.Context, tx *db.Tx, uploader string, deadline time.Time) error {
	_, err := tx.Exec(ctx, "UPDATE images SET deadline = $1 WHERE status IN ('saving', 'uploading') AND uploader = $2", db.Micros(deadline), uploader)
	return err
}

// Abandoned lists images whose upload nobody is at any more.
func (s *Store) Abandoned(ctx context.Context, r db.Reader, now time.Time, alone bool, self string) ([]image.Image, error) {
	const q = "SELECT " + columns + " FROM images WHERE status IN ('saving', 'uploading') AND uploader NOT IN ('', $1) AND ($2 = 1 OR deadline < $3) ORDER BY id"
	lapsed := 0
	if alone {
		lapsed = 1
	}
	return db.List(ctx, r, scan, q, self, lapsed, db.Micros(now))
}

func scanMember(s db.Scanner) (image.Member, error) {
	var m image.Member
	var created, updated int64
	err := s.Scan(&m.ImageID, &m.MemberID, &m.Status, &created, &updated)
	m.CreatedAt, m.UpdatedAt = db.Time(created), db.Time(updated)
	return m, err
}

// Member reads one member.
func (s *Store) Member(ctx context.Context, r db.Reader, id, member string) (image.Member, bool, error) {
	return db.Get(ctx, r, scanMember, "SELECT image_id, member_id, status, created_at, updated_at FROM image_members WHERE image_id = $1 AND member_id = $2", id, member)
}

// Members reads an image's members, oldest first.
func (s *Store) Members(ctx context.Context, r db.Reader, id string) ([]image.Member, error) {
	return db.List(ctx, r, scanMember, "SELECT image_id, member_id, status, created_at, updated_at FROM image_members WHERE image_id = $1 ORDER BY created_at, member_id", id)
}

// SaveMember writes a member, new or known.
func (s *Store) SaveMember(ctx context.Context, tx *db.Tx, m image.Member) error {
	const q = `
		INSERT INTO image_members (image_id, member_id, status, created_at, updated_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (image_id, member_id) DO UPDATE SET status = excluded.status, updated_at = excluded.updated_at`
	_, err := tx.Exec(ctx, q, m.ImageID, m.MemberID, m.Status, db.Micros(m.CreatedAt), db.Micros(m.UpdatedAt))
	return err
}

// DeleteMember removes a member.
func (s *Store) DeleteMember(ctx context.Context, tx *db.Tx, id, member string) error {
	_, err := tx.Exec(ctx, "DELETE FROM image_members WHERE image_id = $1 AND member_id = $2", id, member)
	return err
}
