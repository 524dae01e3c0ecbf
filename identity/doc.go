// Package identity owns who there is and what each may do: domains, projects,
// users, groups, roles, their assignments, the catalog, and the tokens that
// prove all this to the other services.
//
// A token says only who, in which scope, since when; what it grants is derived
// from the rows anew and remembered in a cache. Every change that can take
// something away gets the next revision in its own transaction and drops what it
// touches from the cache before the change is answered; a token carries the
// revision at which it was made and dies of any later revocation of its user,
// project, domain, credential or chain. So no clock decides a race, and a cached
// answer never outlives a revocation.
//
// Ways to authenticate stand in one table, methods.go: a name and a function that
// proves something and writes down whom it found and what binds the token. What
// must hold however a client came is not theirs: the scope is chosen and the
// token derived afterwards, so that a new method cannot forget a disabled user.
//
// Every method for clients takes an [auth.Scope] and decides the route's rule on
// the object itself. Writers never wait for each other in here: a change reads
// and writes within one serial transaction.
//
// Wire format: OpenStack Identity API v3; identity/api speaks it.
package identity
