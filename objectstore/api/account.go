package api

import (
	"net/http"
	"strconv"
	"strings"

	"altostack/kernel/fault"
	"altostack/objectstore"
)

func (c *Call) checkAccountName() error {
	if limit := c.Service.Limits().AccountName; len(c.Account) > limit {
		return refusePage(http.StatusBadRequest, "Account name length of %d longer than %d", len(c.Account), limit)
	}
	return nil
}

func (c *Call) getAccount() error {
	if err := c.Authorize(objectstore.ReadAccount, ""); err != nil {
		return err
	}
	if err := c.checkAccountName(); err != nil {
		return err
	}
	format, err := c.format()
	if err != nil {
		return err
	}
	a, err := c.Service.Account(c.R.Context(), c.Account)
	if err != nil {
		return err
	}
	c.accountHeaders(a)
	if c.R.Method == http.MethodHead {
		c.W.Header().Set("Content-Type", format+"; charset=utf-8")
		c.W.WriteHeader(http.StatusNoContent)
		return nil
	}
	l, err := c.listing()
	if err != nil {
		return err
	}
	entries, err := c.Service.Containers(c.R.Context(), c.Account, l)
	if err != nil {
		return err
	}
	return c.writeContainers(format, entries)
}

func (c *Call) accountHeaders(a objectstore.Account) {
	h, total := c.W.Header(), a.Total()
	h.Set("X-Account-Container-Count", strconv.FormatInt(total.Containers, 10))
	h.Set("X-Account-Object-Count", strconv.FormatInt(total.Objects, 10))
	h.Set("X-Account-Bytes-Used", strconv.FormatInt(total.Bytes, 10))
	for _, u := range a.Usage {
		p, ok := c.Service.PolicyOf(u.Policy)
		if !ok {
			continue
		}
		name := "X-Account-Storage-Policy-" + p.Name + "-"
		h.Set(name+"Container-Count", strconv.FormatInt(u.Containers, 10))
		h.Set(name+"Object-Count", strconv.FormatInt(u.Objects, 10))
		h.Set(name+"Bytes-Used", strconv.FormatInt(u.Bytes, 10))
	}
	stamp := c.Now
	if a.Exists {
		stamp = a.CreatedAt
	}
	h.Set("X-Timestamp", Timestamp(stamp))
	h.Set("Accept-Ranges", "bytes")
	writeMeta(h, "Account", a.Meta)
	if domain := a.System[objectstore.SystemDomain]; domain != "" {
		h.Set("X-Account-Project-Domain-Id", domain)
	}
	if access := a.System[objectstore.SystemAccess]; access != "" {
		h.Set("X-Account-Access-Control", access)
	}
	for _, f := range c.API.features {
		if f.AccountHeaders != nil {
			f.AccountHeaders(c, a, h)
		}
	}
	c.hideOwners()
}

func (c *Call) postAccount() error {
	if err := c.Authorize(objectstore.WriteAccount, ""); err != nil {
		return err
	}
	return c.saveAccount(http.StatusNoContent, http.StatusNoContent)
}

func (c *Call) putAccount() error {
	if err := c.Authorize(objectstore.WriteAccount, ""); err != nil {
		return err
	}
	if !c.Grant.Reseller {
		return c.noManagement()
	}
	return c.saveAccount(http.StatusCreated, http.StatusAccepted)
}

// noManagement answers who may not create or delete accounts, as a proxy without
// allow_account_management does.
func (c *Call) noManagement() error {
	c.W.Header().Set("Allow", "HEAD, GET, POST, OPTIONS")
	return Refuse(http.StatusMethodNotAllowed, "")
}

func (c *Call) saveAccount(created, updated int) error {
	if err := c.checkAccountName(); err != nil {
		return err
	}
	if err := checkMeta(c.R.Header, "Account"); err != nil {
		return err
	}
	_, fresh, err := c.Service.UpdateAccount(c.R.Context(), c.Account, c.changeAccount)
	if err != nil {
		return err
	}
	if fresh {
		updated = created
	}
	if updated == http.StatusNoContent {
		return c.noContent()
	}
	return c.Page(updated)
}

func (c *Call) changeAccount(a *objectstore.Account) error {
	changes := MetaChanges(c.R.Header, "Account")
	for name := range changes {
		if strings.HasPrefix(name, "Temp-Url-Key") && !c.Grant.Owner {
			delete(changes, name)
		}
	}
	a.Meta = objectstore.Merge(a.Meta, changes)
	if err := checkTotal(a.Meta); err != nil {
		return err
	}
	if p := c.Caller; p != nil && a.System[objectstore.SystemDomain] == "" && objectstore.AccountOf(p.ProjectID) == a.Name && p.ProjectDomainID != "" {
		a.System = objectstore.Merge(a.System, map[string]string{objectstore.SystemDomain: p.ProjectDomainID})
	}
	if text, given := header(c.R.Header, "X-Account-Access-Control"); given && c.Grant.Owner {
		access, err := objectstore.ParseAccess(text)
		if err != nil {
			return Refuse(http.StatusBadRequest, "X-Account-Access-Control invalid: %s\n\nInput: %s\n", err.Error(), text)
		}
		a.System = objectstore.Merge(a.System, map[string]string{objectstore.SystemAccess: objectstore.FormatAccess(access)})
	}
	for _, f := range c.API.features {
		if f.Account != nil {
			if err := f.Account(c, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// header tells an empty header, or one that is to be removed, from none.
func header(h http.Header, name string) (string, bool) {
	if values := h.Values(name); len(values) > 0 {
		return strings.Join(values, ","), true
	}
	if removed := "X-Remove-" + strings.TrimPrefix(name, "X-"); len(h.Values(removed)) > 0 {
		return "", true
	}
	return "", false
}

func (c *Call) deleteAccount() error {
	if c.R.URL.RawQuery != "" {
		if err := c.Authorize(objectstore.WriteAccount, ""); err != nil {
			return err
		}
		return Refuse(http.StatusBadRequest, "")
	}
	if err := c.Authorize(objectstore.DeleteAccount, ""); err != nil {
		return err
	}
	err := c.Service.DeleteAccount(c.R.Context(), c.Account)
	if fault.Has(err, fault.CodeObjectstoreAccountNotFound) {
		return Refuse(http.StatusNotFound, "")
	}
	if err != nil {
		return err
	}
	return c.noContent()
}
