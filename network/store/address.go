package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"

	"altostack/kernel/db"
	"altostack/network"
)

// bound spells an address as a free range's bound.
func bound(a netip.Addr) string { return hex.EncodeToString(a.AsSlice()) }

func unbound(s string) netip.Addr {
	b, _ := hex.DecodeString(s) // written by bound
	a, _ := netip.AddrFromSlice(b)
	return a
}

type span struct{ first, last string }

func scanSpan(s db.Scanner) (span, error) {
	var r span
	return r, s.Scan(&r.first, &r.last)
}

// TakeNext takes the lowest free member of a pool; false where there is none.
// It costs two statements, however large the pool is.
func (*Store) TakeNext(ctx context.Context, tx *db.Tx, pool string) (netip.Addr, bool, error) {
	r, found, err := db.Get(ctx, tx, scanSpan, `
		SELECT first_free, last_free FROM free_ranges WHERE pool = $1 ORDER BY first_free LIMIT 1`, pool)
	if err != nil || !found {
		return netip.Addr{}, false, err
	}
	a := unbound(r.first)
	return a, true, shrink(ctx, tx, pool, r, a, a)
}

// Take takes a member of a pool off the free ones; one that is not free, or not
// in the pool, is left alone.
func (*Store) Take(ctx context.Context, tx *db.Tx, pool string, a netip.Addr) (bool, error) {
	r, found, err := db.Get(ctx, tx, scanSpan, `
		SELECT first_free, last_free FROM free_ranges WHERE pool = $1 AND first_free <= $2 ORDER BY first_free DESC LIMIT 1`, pool, bound(a))
	if err != nil || !found || r.last < bound(a) {
		return false, err
	}
	return true, shrink(ctx, tx, pool, r, a, a)
}

// shrink replaces r by what is left of it without first..last.
func shrink(ctx context.Context, tx *db.Tx, pool string, r span, first, last netip.Addr) error {
	switch {
	case r.first == bound(first) && r.last == bound(last):
		_, err := tx.Exec(ctx, `DELETE FROM free_ranges WHERE pool = $1 AND first_free = $2`, pool, r.first)
		return err
	case r.first == bound(first):
		_, err := tx.Exec(ctx, `UPDATE free_ranges SET first_free = $1 WHERE pool = $2 AND first_free = $3`, bound(last.Next()), pool, r.first)
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE free_ranges SET last_free = $1 WHERE pool = $2 AND first_free = $3`, bound(first.Prev()), pool, r.first); err != nil {
		return err
	}
	if r.last == bound(last) {
		return nil
	}
	return addRange(ctx, tx, pool, bound(last.Next()), r.last)
}

func addRange(ctx context.Context, tx *db.Tx, pool, first, last string) error {
	_, err := tx.Exec(ctx, `INSERT INTO free_ranges (pool, first_free, last_free) VALUES ($1, $2, $3)`, pool, first, last)
	if err != nil {
		return fmt.Errorf("free %s-%s of %s: %w", first, last, pool, err)
	}
	return nil
}

// Return gives a member back, and joins it with its free neighbours.
func (*Store) Return(ctx context.Context, tx *db.Tx, pool string, a netip.Addr) error {
	first, last := bound(a), bound(a)
	below, found, err := db.Get(ctx, tx, scanSpan, `
		SELECT first_free, last_free FROM free_ranges WHERE pool = $1 AND first_free <= $2 ORDER BY first_free DESC LIMIT 1`, pool, bound(a))
	if err != nil {
		return err
	}
	if found && below.last >= bound(a) {
		return nil // free already
	}
	if p := a.Prev(); found && p.IsValid() && below.last == bound(p) {
		first = below.first
		if _, err := tx.Exec(ctx, `DELETE FROM free_ranges WHERE pool = $1 AND first_free = $2`, pool, below.first); err != nil {
			return err
		}
	}
	if n := a.Next(); n.IsValid() {
		above, found, err := db.Get(ctx, tx, scanSpan, `SELECT first_free, last_free FROM free_ranges WHERE pool = $1 AND first_free = $2`, pool, bound(n))
		if err != nil {
			return err
		}
		if found {
			last = above.last
			if _, err := tx.Exec(ctx, `DELETE FROM free_ranges WHERE pool = $1 AND first_free = $2`, pool, above.first); err != nil {
				return err
			}
		}
	}
	return addRange(ctx, tx, pool, first, last)
}

// SetFree replaces a pool's free ranges.
func (*Store) SetFree(ctx context.Context, tx *db.Tx, pool string, ranges []network.Range) error {
	if _, err := tx.Exec(ctx, `DELETE FROM free_ranges WHERE pool = $1`, pool); err != nil {
		return err
	}
	for _, r := range ranges {
		if err := addRange(ctx, tx, pool, bound(r.First), bound(r.Last)); err != nil {
			return err
		}
	}
	return nil
}

// Free lists a pool's free ranges, lowest first.
func (*Store) Free(ctx context.Context, rd db.Reader, pool string) ([]network.Range, error) {
	return db.List(ctx, rd, func(s db.Scanner) (network.Range, error) {
		r, err := scanSpan(s)
		return network.Range{First: unbound(r.first), Last: unbound(r.last)}, err
	}, `SELECT first_free, last_free FROM free_ranges WHERE pool = $1 ORDER BY first_free`, pool)
}

// AddAddress records that a port has an address. The caller has looked whether
// it is free; the primary key stands behind that.
func (*Store) AddAddress(ctx context.Context, tx *db.Tx, a network.Address) error {
	_, err := tx.Exec(ctx, `INSERT INTO port_addresses (subnet_id, address, port_id, network_id) VALUES ($1, $2, $3, $4)`,
		a.SubnetID, a.Addr.String(), a.PortID, a.NetworkID)
	if err != nil {
		return fmt.Errorf("address %s of subnet %s: %w", a.Addr, a.SubnetID, err)
	}
	return nil
}

// DropAddress removes an address of a port.
func (*Store) DropAddress(ctx context.Context, tx *db.Tx, subnetID string, a netip.Addr) error {
	_, err := tx.Exec(ctx, `DELETE FROM port_addresses WHERE subnet_id = $1 AND address = $2`, subnetID, a.String())
	return err
}

func scanAddress(s db.Scanner) (a network.Address, err error) {
	var addr string
	if err = s.Scan(&a.SubnetID, &addr, &a.PortID, &a.NetworkID); err == nil {
		a.Addr, err = netip.ParseAddr(addr)
	}
	return a, err
}

// AddressHolder finds who has an address.
func (*Store) AddressHolder(ctx context.Context, rd db.Reader, subnetID string, a netip.Addr) (network.Address, bool, error) {
	return db.Get(ctx, rd, scanAddress, `
		SELECT subnet_id, address, port_id, network_id FROM port_addresses WHERE subnet_id = $1 AND address = $2`, subnetID, a.String())
}

// SubnetAddresses lists the addresses given out of a subnet.
func (*Store) SubnetAddresses(ctx context.Context, rd db.Reader, subnetID string) ([]network.Address, error) {
	return db.List(ctx, rd, scanAddress, `
		SELECT subnet_id, address, port_id, network_id FROM port_addresses WHERE subnet_id = $1`, subnetID)
}
