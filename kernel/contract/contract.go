// Package contract holds the published surface of the APIs we speak, as data:
// every operation with its version window and rule, what each microversion
// changed, and the attribute tables of Neutron. It owns the question "what is
// there to build" and answers "what is built" by comparing with the routes.
//
// Everything is parsed once, on first use, and is read-only afterwards, so any
// number of goroutines may share it; callers must not change what they get.
//
// Source: the tables beside this file, made by tools/apidata from the 2026.1
// releases of the services.
package contract

import (
	_ "embed"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"
)

//go:generate go -C ../../tools/apidata run . -only contract

// Operation is one call of one service.
type Operation struct {
	Service    string // project name: keystone, nova, cinder, glance, neutron, placement, swift
	Group      string
	Method     string
	Path       string // "{name}" marks a parameter
	Action     string // key in the body of an action POST, or empty
	MinVersion string // "2.1"; empty where the service has no microversions
	MaxVersion string // empty: still there
	Success    string // "200", or per window "200[2.1-2.1],201[2.2-]"
	Policy     string // main rule, a name of kernel/policy
	State      string // active, deprecated, removed
	Tier       int    // 1 everyday clients, 2 operators, 3 rare
}

// Key is the operation as a route would name it.
func (o Operation) Key() RouteKey { return RouteKey{o.Method, o.Path, o.Action} }

// Microversion is one step in the history of a service.
type Microversion struct {
	Service    string
	Version    string
	MaximumIn  string // release whose maximum it is, or empty
	Change     string
	Operations string
}

//go:embed operations.tsv
var operationsTSV string

//go:embed microversions.tsv
var microversionsTSV string

var operations = sync.OnceValue(func() map[string][]Operation {
	byService := map[string][]Operation{}
	for c := range rows(operationsTSV, 11) {
		tier, err := strconv.Atoi(c[10])
		if err != nil {
			panic(fmt.Sprintf("contract: operations.tsv: tier %q of %s %s", c[10], c[2], c[3]))
		}
		byService[c[0]] = append(byService[c[0]], Operation{c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], tier})
	}
	return byService
})

var microversions = sync.OnceValue(func() map[string][]Microversion {
	byService := map[string][]Microversion{}
	for c := range rows(microversionsTSV, 5) {
		byService[c[0]] = append(byService[c[0]], Microversion{c[0], c[1], c[2], c[3], c[4]})
	}
	return byService
})

// Operations returns every documented operation of a service, nil for a name
// it does not know.
func Operations(service string) []Operation { return operations()[service] }

// Microversions returns a service's history, oldest first; only Nova, Cinder
// and Placement have one.
func Microversions(service string) []Microversion { return microversions()[service] }

// rows yields the cells of each line after the header. A line of another width
// is a fault of the embedded data, which no running program can mend.
func rows(tsv string, width int) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for i, line := range strings.Split(strings.TrimSuffix(tsv, "\n"), "\n") {
			cells := strings.Split(line, "\t")
			if len(cells) != width {
				panic(fmt.Sprintf("contract: line %d has %d cells, want %d: %.60q", i+1, len(cells), width, line))
			}
			if i > 0 && !yield(cells) {
				return
			}
		}
	}
}
