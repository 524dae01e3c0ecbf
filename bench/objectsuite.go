package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"altostack/client"
)

// filledContainer is the one that `bench fill` makes.
const filledContainer = "bench-filled"

// objects measures the object store, and pages of a listing that would take long to
// upload.
func (s *Suite) objects(ctx context.Context) error {
	if s.Objects == 0 {
		return nil
	}
	c, err := s.up(ctx, "objects", "--hypervisor", "fake")
	if err != nil {
		return err
	}
	creds, err := c.access()
	if err == nil {
		var results []Result
		results, err = Run(ctx, creds, Options{Parts: []string{"objects"}, Calls: 4000, Concurrency: 16, LargeMiB: 512, Say: s.Say})
		for _, r := range results {
			s.add(r, "", "")
		}
	}
	if err = errors.Join(err, c.down(ctx)); err != nil {
		return errors.Join(err, c.wipe())
	}
	s.Say(fmt.Sprintf("filling a container with %d objects", s.Objects))
	if err := s.run(ctx, "bench", "fill", "--data", filepath.Join(s.Dir, "objects"), "--servers", "0", "--objects", fmt.Sprint(s.Objects)); err != nil {
		return err
	}
	if c, err = s.up(ctx, "objects", "--hypervisor", "fake"); err != nil {
		return err
	}
	return errors.Join(s.objectPages(ctx, creds), c.wipe())
}

func (s *Suite) objectPages(ctx context.Context, creds client.Credentials) error {
	api, err := client.Login(ctx, creds)
	if err != nil {
		return err
	}
	o, err := (&run{cloud: api, creds: creds, o: Options{Say: s.Say}}).store(filledContainer)
	if err != nil {
		return err
	}
	for _, r := range o.pages(ctx, s.Objects) {
		s.add(r, "", "")
	}
	return nil
}
