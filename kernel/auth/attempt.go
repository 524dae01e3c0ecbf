package auth

import "context"

// Attempt is what becomes known, while a request is served, of who tries to prove
// who they are. kernel/rest makes one for each request that may change something
// or authenticate; the service that looks at the proof writes into it, and the
// audit trail reads it when the request is over. It belongs to one request.
type Attempt struct {
	Address string // the client's, without port; empty: a call from inside
	// By is the bearer, where the service itself found it and not kernel/rest.
	By *Principal
	// Proving says that the request is an authentication.
	Proving              bool
	Methods              []string
	UserID, UserName     string // as far as found; the name as the client gave it
	DomainID, DomainName string
	ProjectID            string // of the token that was issued
	AuditID              string // of the token that was issued
	Why                  string // of a refusal: for operators, never for clients
	// Known says that a secret was recognised without being computed.
	Known bool
	// Drawn says that a failure was counted against address and account.
	Drawn bool
	// Unrecorded keeps a refusal that stands for many out of the audit trail.
	Unrecorded bool
}

type attemptKey struct{}

// Attempting puts a on the context.
func Attempting(ctx context.Context, a *Attempt) context.Context {
	return context.WithValue(ctx, attemptKey{}, a)
}

// Attempted answers the request's attempt, and puts one on the context of a call
// that has none.
func Attempted(ctx context.Context) (context.Context, *Attempt) {
	if a, ok := ctx.Value(attemptKey{}).(*Attempt); ok {
		return ctx, a
	}
	a := &Attempt{}
	return Attempting(ctx, a), a
}

// AttemptOf answers the request's attempt. There always is one to write into,
// read by nobody where the request has none.
func AttemptOf(ctx context.Context) *Attempt {
	if a, ok := ctx.Value(attemptKey{}).(*Attempt); ok {
		return a
	}
	return &Attempt{}
}
