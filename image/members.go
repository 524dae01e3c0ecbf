package image

import (
	"context"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Members lists the projects that an image is shared with: all to its owner, to
// a member itself alone.
func (s *Service) Members(ctx context.Context, scope auth.Scope, id string) (Image, []Member, error) {
	img, isMember, err := s.get(ctx, s.db, scope, id)
	if err != nil {
		return img, nil, err
	}
	if img.Visibility != Shared {
		return img, nil, fault.New(fault.CodeImageForbidden, "Only shared images have members.")
	}
	all, err := s.store.Members(ctx, s.db, id)
	if err != nil || scope.Sees(img.Owner) || scope.IsAdmin() || !isMember {
		return img, all, err
	}
	for _, m := range all {
		if m.MemberID == scope.ProjectID {
			return img, []Member{m}, nil
		}
	}
	return img, nil, nil
}

// Member answers one member of an image.
func (s *Service) Member(ctx context.Context, scope auth.Scope, id, member string) (Image, Member, error) {
	img, all, err := s.Members(ctx, scope, id)
	if err != nil {
		return img, Member{}, err
	}
	for _, m := range all {
		if m.MemberID == member {
			return img, m, nil
		}
	}
	return img, Member{}, errNoMember(id, member)
}

func errNoMember(id, member string) error {
	return fault.New(fault.CodeImageNotFound, "Image member %s of image %s not found.", member, id)
}

// AddMember shares an image with a project, which has to accept it.
func (s *Service) AddMember(ctx context.Context, scope auth.Scope, id, member string) (Member, error) {
	if member == "" || len(member) > maxName {
		return Member{}, invalid("Member can't be empty")
	}
	now := s.clock.Now().Truncate(time.Second)
	m := Member{ImageID: id, MemberID: member, Status: "pending", CreatedAt: now, UpdatedAt: now}
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.shared(ctx, tx, scope, id); err != nil {
			return err
		}
		if _, is, err := s.store.Member(ctx, tx, id, member); err != nil {
			return err
		} else if is {
			return fault.New(fault.CodeImageMemberExists, "The target member %s is already associated with image %s.", member, id)
		}
		if err := s.checkMembers(ctx, tx, id); err != nil {
			return err
		}
		return s.store.SaveMember(ctx, tx, m)
	})
	return m, err
}

// shared checks that the caller owns the image and that it can have members.
func (s *Service) shared(ctx context.Context, tx *db.Tx, scope auth.Scope, id string) error {
	img, _, err := s.get(ctx, tx, scope, id)
	if err != nil {
		return err
	}
	if !scope.Sees(img.Owner) && !scope.IsAdmin() {
		return fault.New(fault.CodeImageForbidden, "You are not permitted to modify members of this image.")
	}
	if img.Visibility != Shared {
		return fault.New(fault.CodeImageForbidden, "Only shared images have members.")
	}
	return nil
}

// SetMember lets a project accept or reject what was shared with it.
func (s *Service) SetMember(ctx context.Context, scope auth.Scope, id, member, status string) (Member, error) {
	if status != "pending" && status != "accepted" && status != "rejected" {
		return Member{}, invalid("Invalid member status: %s. It must be pending, accepted or rejected.", status)
	}
	var out Member
	err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		img, _, err := s.get(ctx, tx, scope, id)
		if err != nil {
			return err
		}
		m, is, err := s.store.Member(ctx, tx, id, member)
		switch {
		case err != nil:
			return err
		case !is:
			return errNoMember(id, member)
		case member != scope.ProjectID && !scope.IsAdmin():
			if scope.Sees(img.Owner) {
				return fault.New(fault.CodeImageForbidden, "You are not permitted to modify this member's status: that is up to project %s.", member)
			}
			return errNoMember(id, member)
		}
		m.Status, m.UpdatedAt = status, s.clock.Now().Truncate(time.Second)
		out = m
		return s.store.SaveMember(ctx, tx, m)
	})
	return out, err
}

// RemoveMember ends the sharing with a project.
func (s *Service) RemoveMember(ctx context.Context, scope auth.Scope, id, member string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.shared(ctx, tx, scope, id); err != nil {
			return err
		}
		if _, is, err := s.store.Member(ctx, tx, id, member); err != nil {
			return err
		} else if !is {
			return errNoMember(id, member)
		}
		return s.store.DeleteMember(ctx, tx, id, member)
	})
}

// List lists images as the scope may see them.
func (s *Service) List(ctx context.Context, scope auth.Scope, q Query) (images []Image, more bool, err error) {
	if scope.Principal == nil {
		return nil, false, nil
	}
	q.ProjectID, q.Admin = scope.ProjectID, scope.All || scope.IsAdmin()
	return s.store.List(ctx, s.db, q)
}

// Used answers what a project has of what Limits bound.
func (s *Service) Used(ctx context.Context, project string) (Used, error) {
	return s.store.Used(ctx, s.db, project)
}
