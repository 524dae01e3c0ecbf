package agent_test

import (
	"testing"
	"time"

	"altostack/hostapi"
)

func TestEndedGuestsAreReportedStoppedByTheNextAgent(t *testing.T) {
	r := newRig(t)
	g := r.running(1)
	r.must(r.a.Close())
	r.must(r.a.EndGuests(t.Context(), time.Second))
	r.set(func() { clear(r.seen) })
	r.start()
	r.until("the guest is reported stopped", func() bool { return r.seen[g.ID].State == hostapi.GuestStopped })
}
