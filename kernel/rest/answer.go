package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"altostack/kernel/fault"
	"altostack/kernel/telemetry"
)

type (
	mountKey struct{}
	bodyKey  struct{}
	startKey struct{}
	baseKey  struct{}
)

// Started answers when the request arrived, by the API's clock.
func Started(ctx context.Context) time.Time {
	t, _ := ctx.Value(startKey{}).(time.Time)
	return t
}

// Base answers the absolute URL of the service as the client reached it, without
// a trailing slash: http://host:port/compute.
func Base(r *http.Request) string {
	mount, _ := r.Context().Value(mountKey{}).(string)
	if base, ok := r.Context().Value(baseKey{}).(string); ok {
		return base + mount
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + mount
}

// PublicAt makes links start with base (https://cloud.example), for clouds
// behind a proxy that ends TLS. What clients send never decides it.
func PublicAt(base string, next http.Handler) http.Handler {
	if base == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), baseKey{}, base)))
	})
}

// RawBody answers the bytes of a JSON body.
func RawBody(r *http.Request) []byte {
	data, _ := r.Context().Value(bodyKey{}).([]byte)
	return data
}

// Decode reads the body's member of the given name into v; with an empty name,
// the whole body.
func Decode(r *http.Request, member string, v any) error {
	data := RawBody(r)
	if len(data) == 0 {
		return fault.New(fault.CodeRestBadJson, "A JSON body is required.")
	}
	if member != "" {
		var outer map[string]json.RawMessage
		if err := json.Unmarshal(data, &outer); err != nil {
			return fault.Because(err, fault.CodeRestBadJson, "The body must be a JSON object.")
		}
		inner, has := outer[member]
		if !has {
			return fault.New(fault.CodeRestInvalidInput, "Invalid input for field/attribute %s. '%s' is a required property", member, member).WithField(member)
		}
		data = inner
	}
	if err := json.Unmarshal(data, v); err != nil {
		var typed *json.UnmarshalTypeError
		if errors.As(err, &typed) {
			return fault.Because(err, fault.CodeRestInvalidInput, "Invalid input for field/attribute %s. Value: a %s is not of type '%s'", typed.Field, typed.Value, typed.Type).WithField(typed.Field)
		}
		var f *fault.Fault
		if errors.As(err, &f) { // from a type's own UnmarshalJSON
			return f
		}
		return fault.Because(err, fault.CodeRestBadJson, "The body cannot be understood.")
	}
	return nil
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Write answers v as JSON.
func Write(w http.ResponseWriter, status int, v any) error {
	b := buffers.Get().(*bytes.Buffer)
	defer func() {
		if b.Cap() <= 4<<20 { // a page of a thousand servers
			buffers.Put(b)
		}
	}()
	b.Reset()
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	b.Truncate(b.Len() - 1) // the encoder's newline; Python's json has none
	return WriteBytes(w, status, "application/json", b.Bytes())
}

// WriteBytes answers a body made elsewhere.
func WriteBytes(w http.ResponseWriter, status int, contentType string, body []byte) error {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone cannot be told
	return nil
}

// Empty answers a status without a body.
func Empty(w http.ResponseWriter, status int) error {
	if status != http.StatusNoContent {
		w.Header().Set("Content-Length", "0")
	}
	w.WriteHeader(status)
	return nil
}

// answer remembers what was sent.
type answer struct {
	http.ResponseWriter
	status int
	head   bool
	shows  bool   // whose object is of interest
	object string // its id
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
		a.ResponseWriter.WriteHeader(status)
	}
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.head {
		return len(b), nil
	}
	if a.shows {
		if a.shows = false; a.status < 300 {
			a.object = objectID(b)
		}
	}
	return a.ResponseWriter.Write(b)
}

// ReadFrom lets the kernel copy a file into the connection.
func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.head {
		return io.Copy(io.Discard, r)
	}
	return io.Copy(a.ResponseWriter, r)
}

// Unwrap lets http.ResponseController flush and hijack.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// refuse writes the fault in err in the service's dialect.
func (a *API) refuse(w *answer, r *http.Request, err error) {
	f := fault.From(err)
	status := a.Dialect.Status(f)
	if status >= 500 {
		a.Log.ErrorContext(r.Context(), "request failed", "code", f.Code, "error", err, "method", r.Method, "path", r.URL.Path)
	} else {
		a.Log.DebugContext(r.Context(), "request refused", "code", f.Code, "status", status, "error", err)
	}
	if w.status != 0 {
		// Half an answer is out: cutting the connection is the only honest end.
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	for _, name := range []string{"Location", "Content-Length", "Content-Type"} {
		h.Del(name)
	}
	if status == http.StatusUnauthorized && a.AuthURL != "" {
		h.Set("Www-Authenticate", fmt.Sprintf("Keystone uri=%q", a.AuthURL))
	}
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
	}
	contentType, body := a.Dialect.Body(r, f, status, telemetry.RequestID(r.Context()))
	_ = WriteBytes(w, status, contentType, body)
}
