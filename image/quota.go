package image

import (
	"context"
	"strings"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// PerImage bounds what hangs on one image; negative is no limit. Source: Glance's
// image_property_quota, image_tag_quota, image_member_quota, image_location_quota.
type PerImage struct{ Properties, Tags, Members, Locations int }

// DefaultPerImage is Glance's.
var DefaultPerImage = PerImage{Properties: 128, Tags: 128, Members: 128, Locations: 10}

func (s *Service) perImage() PerImage {
	if s.limits.PerImage == nil {
		return DefaultPerImage
	}
	return *s.limits.PerImage
}

// exceeds refuses one more than there may be. What there was before a limit was
// lowered may stay, and become less.
func exceeds(what string, had, wanted, most int) error {
	if most < 0 || wanted <= most || wanted <= had {
		return nil
	}
	return fault.New(fault.CodeImageTooLarge, "The limit has been exceeded on the number of allowed image %s. Attempted: %d, Maximum: %d", what, wanted, most).
		WithHint("Remove %s of the image.", what)
}

func (p PerImage) check(was, to Image) error {
	if err := exceeds("properties", was.ownProperties(), to.ownProperties(), p.Properties); err != nil {
		return err
	}
	return exceeds("tags", len(was.Tags), len(to.Tags), p.Tags)
}

// ownProperties counts the properties that clients gave.
func (i Image) ownProperties() int {
	n := 0
	for name := range i.Properties {
		if !strings.HasPrefix(name, reservedPrefix) {
			n++
		}
	}
	return n
}

// checkMembers refuses to share an image with one more project than it may be.
func (s *Service) checkMembers(ctx context.Context, tx *db.Tx, image string) error {
	have, err := s.store.Members(ctx, tx, image)
	if err != nil {
		return err
	}
	return exceeds("members", len(have), len(have)+1, s.perImage().Members)
}
