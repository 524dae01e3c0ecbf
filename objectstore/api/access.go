package api

import (
	"context"
	"net/http"

	"altostack/kernel/fault"
	"altostack/objectstore"
)

// Authorize lets the call go on, or answers 401 to who did not say who they are
// and 403 to others. acl is the container's that applies.
func (c *Call) Authorize(need objectstore.Need, acl string) error {
	if c.Granted && (c.Reach == nil || c.Reach(objectstore.Container{Account: c.Account, Name: c.Container})) {
		return nil
	}
	g, err := c.decide(c.R.Context(), c.Account, need, acl)
	if err != nil {
		return err
	}
	if !g.Allowed {
		return c.Denied()
	}
	c.Grant = g
	return nil
}

// Denied is the answer to a caller without the right.
func (c *Call) Denied() error {
	if c.Caller == nil {
		return Refuse(http.StatusUnauthorized, "")
	}
	return Refuse(http.StatusForbidden, "")
}

func (c *Call) decide(ctx context.Context, account string, need objectstore.Need, acl string) (objectstore.Grant, error) {
	return c.Service.Decide(ctx, objectstore.Ask{Caller: c.Caller, Need: need, Account: account, ACL: acl, Referer: c.R.Referer()})
}

// May answers whether the call's caller may read objects of a container: for
// openers, and for sources of copies.
func (c *Call) May(ctx context.Context, con objectstore.Container) error {
	if c.Reach != nil {
		return c.reached(con)
	}
	g, err := c.decide(ctx, con.Account, objectstore.ReadObject, con.System[objectstore.SystemRead])
	if err == nil && !g.Allowed {
		err = c.Denied()
	}
	return err
}

// Reader is the call's caller, for openers.
func (c *Call) Reader() objectstore.Reader { return objectstore.Reader{May: c.May} }

// container finds the call's container and authorizes on it; missing ones answer
// 404 only to those who might create one.
func (c *Call) container(need objectstore.Need) (objectstore.Container, error) {
	con, err := c.Service.Container(c.R.Context(), c.Account, c.Container)
	if err != nil && !fault.Has(err, fault.CodeObjectstoreContainerNotFound) {
		return con, err
	}
	acl := ""
	switch need {
	case objectstore.ReadObject, objectstore.ReadContainer:
		acl = con.System[objectstore.SystemRead]
	case objectstore.WriteObject:
		acl = con.System[objectstore.SystemWrite]
	}
	if denied := c.Authorize(need, acl); denied != nil {
		return con, denied
	}
	return con, err
}
