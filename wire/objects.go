package wire

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"altostack/kernel/contract"
	"altostack/kernel/rest"
	"altostack/objectstore"
	objectapi "altostack/objectstore/api"
	"altostack/objectstore/feature"
	objectstorage "altostack/objectstore/store"
	"altostack/reconcile"
)

// objectMount is where Swift is served on the one port.
const objectMount = "/object-store"

func (s *System) openObjects(ctx context.Context) error {
	policies, err := s.objectPolicies(ctx)
	if err != nil {
		return err
	}
	if _, err := s.objectRates(); err != nil {
		return err
	}
	s.objects = objectstore.New(objectstore.Config{DB: s.db, Store: objectstorage.New(s.db), Clock: s.clock, IDs: s.ids, Log: s.log,
		Policies: policies})
	s.objects.AddCheck(s.objects.CheckQuotas)
	if err := s.objects.Recover(ctx); err != nil {
		return fmt.Errorf("object store: %w", err)
	}
	return nil
}

// objectHandler serves Swift v1. Its paths are not a table of routes: object names
// hold what no table would let through.
func (s *System) objectHandler(metrics *rest.Metrics) http.Handler {
	a := objectapi.New(objectapi.Config{Service: s.objects, Tokens: s.identity, Clock: s.clock, IDs: s.ids, Log: s.log, Metrics: metrics, Audit: s.audit, Mount: objectMount})
	features := feature.New(s.objects, objectMount)
	if rates, err := s.objectRates(); err == nil && rates.Some() {
		a.Add(features.RateLimit(rates, s.clock))
	}
	a.Add(features.All()...)
	return a.Handler()
}

func (s *System) objectRates() (r feature.Rates, err error) {
	c := s.opt.Config
	r.Account, r.Wait = float64(c.Int("object_container_changes")), c.Duration("object_rate_wait")
	if r.Container, err = feature.ParseSteps(c.String("object_write_rates")); err != nil {
		return r, fmt.Errorf("object_write_rates: %w", err)
	}
	if r.Listing, err = feature.ParseSteps(c.String("object_listing_rates")); err != nil {
		return r, fmt.Errorf("object_listing_rates: %w", err)
	}
	return r, nil
}

// objectLoops keep the object store true to its rows.
func (s *System) objectLoops() {
	s.objects.OnGarbage(s.loops.Add(reconcile.Loop{Name: "object garbage", Every: time.Minute, Run: s.objects.Sweep}))
	s.loops.Add(reconcile.Loop{Name: "deleted accounts", Every: 5 * time.Minute, Run: s.objects.Reap})
	s.loops.Add(reconcile.Loop{Name: "object expiry", Every: 5 * time.Second, Run: s.objects.Expire})
	s.loops.Add(reconcile.Loop{Name: "object uploads", Every: time.Minute, Run: func(ctx context.Context) error {
		if err := s.objects.Extend(ctx); err != nil {
			return err
		}
		return s.objects.Recover(ctx)
	}})
	s.loops.Add(reconcile.Loop{Name: "object scrubber", Every: s.opt.Config.Duration("object_scrub_every"), Run: func(ctx context.Context) error {
		_, _, err := s.objects.Scrub(ctx) // damage is logged, recorded and counted
		return err
	}})
}

// ObjectRoutes are the object store's operations that are served, for coverage.
func ObjectRoutes() []contract.RouteKey {
	return append(objectapi.Operations(), feature.Operations()...)
}
