package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"altostack/kernel/fault"
)

const (
	// tokenLife is how long a service token is used; the conductor makes them
	// to live longer. One that is refused earlier is replaced at once.
	tokenLife = 4 * time.Minute
	// callLimit bounds a call whose answer is small.
	callLimit = 30 * time.Second
	// attempts bounds how often a call is repeated that found no service.
	attempts = 6
)

// tokens keeps the host's service token.
type tokens struct {
	mu    sync.Mutex
	value string
	until time.Time
}

// token answers a service token; refused is one that was just turned down.
func (a *Agent) token(ctx context.Context, refused string) (string, error) {
	a.tokens.mu.Lock()
	defer a.tokens.mu.Unlock()
	now := a.cfg.Clock.Now()
	if a.tokens.value != "" && a.tokens.value != refused && now.Before(a.tokens.until) {
		return a.tokens.value, nil
	}
	value, err := a.cfg.Conductor.ServiceToken(ctx, a.cfg.Host)
	if err != nil {
		return "", asFault(err, fault.CodeAgentServiceUnavailable, "The conductor gave no service token.")
	}
	a.tokens.value, a.tokens.until = value, now.Add(tokenLife)
	return value, nil
}

// answer is a response with what the trace wants to know about it.
type answer struct {
	*http.Response
	sent, headers time.Time
	auth          time.Duration // what the service needed to validate the token, if it says so
	cached        bool          // the service had validated it before, or does not say
}

// get asks a public API with the service token. It renews a refused token once
// and repeats a call that met no service or one that is overloaded; any other
// answer is the caller's to judge, and to close.
func (a *Agent) get(ctx context.Context, service, url string, header map[string]string) (*answer, error) {
	refused := ""
	for n := 0; ; n++ {
		token, err := a.token(ctx, refused)
		if err != nil {
			return nil, err
		}
		sent := a.cfg.Clock.Now()
		res, err := a.ask(ctx, url, token, header)
		switch {
		case err == nil && res.StatusCode == http.StatusUnauthorized && refused == "":
			discard(res)
			refused = token
			continue
		case err == nil && res.StatusCode < http.StatusInternalServerError:
			ans := &answer{Response: res, sent: sent, headers: a.cfg.Clock.Now()}
			ans.auth, ans.cached = serverTiming(res.Header)
			return ans, nil
		case err == nil:
			discard(res)
			err = fmt.Errorf("GET %s: %s", url, res.Status)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		if n+1 >= attempts {
			return nil, fault.Because(err, fault.CodeAgentServiceUnavailable, "The %s service did not answer the host.", service)
		}
		if err := a.wait(ctx, backoff(n)); err != nil {
			return nil, err
		}
	}
}

func (a *Agent) ask(ctx context.Context, url, token string, header map[string]string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Auth-Token", token)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	return a.cfg.HTTP.Do(req)
}

// getJSON is get for a small JSON answer.
func (a *Agent) getJSON(ctx context.Context, service, url string, header map[string]string, into any) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	ans, err := a.get(ctx, service, url, header)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fault.Because(err, fault.CodeAgentServiceUnavailable, "The %s service did not answer the host in time.", service)
		}
		return nil, err
	}
	defer discard(ans.Response)
	if ans.StatusCode != http.StatusOK {
		return ans, nil
	}
	if err := json.NewDecoder(io.LimitReader(ans.Body, 16<<20)).Decode(into); err != nil {
		return nil, fault.Because(err, fault.CodeAgentServiceUnavailable, "The %s service gave the host an answer that it cannot read.", service)
	}
	return ans, nil
}

// discard reads the rest of a small body, so that the connection is used again.
func discard(res *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // the answer was judged already
	_ = res.Body.Close()                                         // likewise
}

// serverTiming reads the auth entry of a Server-Timing header, for example
// `auth;dur=0.41;desc="cached"`. A service that does not say is taken to have
// known the token.
func serverTiming(h http.Header) (time.Duration, bool) {
	for _, line := range h.Values("Server-Timing") {
		for entry := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(strings.TrimSpace(entry), ";")
			if name != "auth" {
				continue
			}
			var took time.Duration
			for p := range strings.SplitSeq(params, ";") {
				if ms, ok := strings.CutPrefix(strings.TrimSpace(p), "dur="); ok {
					if f, err := strconv.ParseFloat(ms, 64); err == nil {
						took = time.Duration(f * float64(time.Millisecond))
					}
				}
			}
			return took, strings.Contains(params, "cached")
		}
	}
	return 0, true
}

// spansOf records a call as the three steps it is: asking, the other side's
// validation of the token, and the answer, which took until now.
func (a *Agent) spansOf(t *trace, first int, ans *answer, err error, asked, got attrs) {
	t.add(first, ans.sent, ans.headers.Sub(ans.sent)-ans.auth, nil, asked)
	t.add(first+1, ans.headers.Add(-ans.auth), ans.auth, nil, attrs{"cached": ans.cached})
	t.add(first+2, ans.headers, a.cfg.Clock.Now().Sub(ans.headers), err, got)
}
