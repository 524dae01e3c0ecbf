// Package fault is the one kind of error that reaches a client. A Fault has
// three readers: a program matches Code (or, in Neutron's dialect, Type), a
// person reads Message and Hint, an operator finds the cause in the log under
// the request id.
//
// Codes live in codes.tsv, from which codes_gen.go and docs/errors.md are made.
// Which status and which JSON a fault becomes is decided in kernel/rest alone.
package fault

//go:generate go run ./gen

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind picks the HTTP status, in one place: kernel/rest.
type Kind int

// The kinds of fault.
const (
	Internal        Kind = iota // 500: a bug, or a broken disk under us
	Invalid                     // 400
	Unauthenticated             // 401
	Forbidden                   // 403
	NotFound                    // 404
	BadMethod                   // 405
	NotAcceptable               // 406
	Conflict                    // 409
	Gone                        // 410
	Precondition                // 412
	TooLarge                    // 413
	UnsupportedType             // 415
	BadRange                    // 416
	TooMany                     // 429
	NotImplemented              // 501
	Unavailable                 // 503
	OverQuota                   // 403 at Nova, 409 at Neutron, 413 at Cinder and Glance
)

// Fault is a failure that a client may see.
type Fault struct {
	Kind    Kind
	Code    Code   // stable; every code has an entry in docs/errors.md
	Message string // what happened, fit for any tenant's eyes
	Hint    string // what to try next, as an instruction; may be empty
	Field   string // the input at fault, as the client spelled it; may be empty
	Type    string // exception name where a dialect shows one (Neutron); empty: the code's own
	// Extra are members that a dialect adds to its body (max_version, receipt).
	Extra map[string]any
	// RetryAfter is when to come again, for whom has to wait; zero: not said.
	RetryAfter time.Duration
	cause      error // never leaves the process
}

// Error is for logs; clients get Message and Hint.
func (f *Fault) Error() string {
	s := string(f.Code) + ": " + f.Message
	if f.cause != nil {
		s += ": " + f.cause.Error()
	}
	return s
}

// Unwrap gives the hidden cause.
func (f *Fault) Unwrap() error { return f.cause }

// Is makes errors.Is match two faults of the same code.
func (f *Fault) Is(target error) bool {
	t, ok := target.(*Fault)
	return ok && t.Code == f.Code
}

// New makes a fault of a registered code; its kind and hint come from codes.tsv.
func New(code Code, format string, args ...any) *Fault {
	d := code.Definition()
	return &Fault{Kind: d.Kind, Code: code, Message: fmt.Sprintf(format, args...), Hint: d.Hint, Type: d.Type}
}

// Because is New with a cause that only the log shows.
func Because(cause error, code Code, format string, args ...any) *Fault {
	f := New(code, format, args...)
	f.cause = cause
	return f
}

// WithField names the input at fault.
func (f *Fault) WithField(name string) *Fault { f.Field = name; return f }

// WithHint replaces the code's hint by one that knows the numbers.
func (f *Fault) WithHint(format string, args ...any) *Fault {
	f.Hint = fmt.Sprintf(format, args...)
	return f
}

// WithType sets the exception name shown in Neutron's dialect.
func (f *Fault) WithType(name string) *Fault { f.Type = name; return f }

// WithExtra adds a member to the body.
func (f *Fault) WithExtra(key string, value any) *Fault {
	if f.Extra == nil {
		f.Extra = map[string]any{}
	}
	f.Extra[key] = value
	return f
}

// After says when to come again.
func (f *Fault) After(d time.Duration) *Fault { f.RetryAfter = d; return f }

// From finds the fault in err, or wraps err as an internal one whose cause only
// the log shows.
func From(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	if errors.Is(err, context.Canceled) {
		return Because(err, CodeRestCanceled, "The request was given up before it was answered.")
	}
	return Because(err, CodeRestInternal, "The server met an unexpected condition that kept it from fulfilling the request.")
}

// Has reports whether err is a fault of the given code.
func Has(err error, code Code) bool {
	var f *Fault
	return errors.As(err, &f) && f.Code == code
}

// KindOf answers the kind of the fault in err; Internal where there is none.
func KindOf(err error) Kind {
	var f *Fault
	if errors.As(err, &f) {
		return f.Kind
	}
	return Internal
}

// Stale says that a row changed between being read and being written.
func Stale(noun, id string) *Fault {
	return New(CodeDbStale, "%s %s was changed by another request at the same time.", noun, id)
}
