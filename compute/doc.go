// Package compute owns servers: what one is, which moves it may make, and the
// single path by which each move happens.
//
// A server is a row with a generation and, while it runs, a guest on one host.
// The row is the truth and the host converges on it, so nothing in here talks
// to a hypervisor: a method records what should be together with the saga that
// makes it so (see compute/flow), and answers.
//
// Every method that a request reaches takes an [auth.Scope]; there is no
// unscoped way in. When two callers race, transactions put them in a row: the
// later one finds the task of the earlier one and gets a conflict.
//
// What compute needs of the other services it declares in neighbours.go; the
// wire format is the OpenStack Compute API 2.1 to 2.103 (compute/api).
package compute
