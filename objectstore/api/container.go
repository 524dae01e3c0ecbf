package api

import (
	"net/http"
	"strconv"
	"strings"

	"altostack/objectstore"
)

func (c *Call) getContainer() error {
	if v := c.Query.Get("delimiter"); v != "" && !validUTF8(v) {
		return Refuse(http.StatusPreconditionFailed, "Bad delimiter")
	}
	con, err := c.container(objectstore.ReadContainer)
	if err != nil {
		return err
	}
	format, err := c.format()
	if err != nil {
		return err
	}
	c.ContainerHeaders(con)
	c.cors(&con)
	if c.R.Method == http.MethodHead {
		c.W.Header().Set("Content-Type", format+"; charset=utf-8")
		c.W.WriteHeader(http.StatusNoContent)
		return nil
	}
	for _, f := range c.API.features {
		if f.List == nil {
			continue
		}
		if done, err := f.List(c, con); done || err != nil {
			return err
		}
	}
	l, err := c.listing()
	if err != nil {
		return err
	}
	entries, err := c.Service.Objects(c.R.Context(), con, l)
	if err != nil {
		return err
	}
	lines := make([]Entry, len(entries))
	for i, e := range entries {
		lines[i] = c.Line(e)
	}
	return c.WriteListing(format, lines)
}

// ContainerHeaders sets what is answered of a container.
func (c *Call) ContainerHeaders(con objectstore.Container) {
	h := c.W.Header()
	h.Set("X-Container-Object-Count", strconv.FormatInt(con.Usage.Objects, 10))
	h.Set("X-Container-Bytes-Used", strconv.FormatInt(con.Usage.Bytes, 10))
	h.Set("X-Timestamp", Timestamp(con.CreatedAt))
	h.Set("Last-Modified", LastModified(con.UpdatedAt))
	h.Set("Accept-Ranges", "bytes")
	if p, ok := c.Service.PolicyOf(con.Policy); ok {
		h.Set("X-Storage-Policy", p.Name)
	}
	if acl := con.System[objectstore.SystemRead]; acl != "" {
		h.Set("X-Container-Read", acl)
	}
	if acl := con.System[objectstore.SystemWrite]; acl != "" {
		h.Set("X-Container-Write", acl)
	}
	writeMeta(h, "Container", con.Meta)
	for _, f := range c.API.features {
		if f.ContainerHeaders != nil {
			f.ContainerHeaders(c, con, h)
		}
	}
	c.hideOwners()
}

func (c *Call) putContainer() error {
	if err := c.Authorize(objectstore.WriteContainer, ""); err != nil {
		return err
	}
	if err := c.checkContainer(); err != nil {
		return err
	}
	if limit := c.Service.Limits().ContainerName; len(c.Container) > limit {
		return refusePage(http.StatusBadRequest, "Container name length of %d longer than %d", len(c.Container), limit)
	}
	policy, named, err := c.policy()
	if err != nil {
		return err
	}
	con, created, err := c.Service.EnsureContainer(c.R.Context(), c.Account, c.Container, func(con *objectstore.Container, fresh bool) error {
		if named && fresh {
			con.Policy = policy
		}
		if named && con.Policy != policy {
			return Refuse(http.StatusConflict, "")
		}
		return c.changeContainer(con, fresh)
	})
	if err != nil {
		return err
	}
	if p, ok := c.Service.PolicyOf(con.Policy); ok && created {
		c.W.Header().Set("X-Storage-Policy", p.Name)
	}
	c.cors(&con)
	if created {
		return emptyBody(c.W, http.StatusCreated)
	}
	return c.Page(http.StatusAccepted)
}

func emptyBody(w http.ResponseWriter, status int) error {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
	return nil
}

// noContent answers 204, with the type that Swift names even then.
func (c *Call) noContent() error {
	if c.W.Header().Get("Content-Type") == "" {
		c.W.Header().Set("Content-Type", "text/html; charset=UTF-8")
	}
	c.W.WriteHeader(http.StatusNoContent)
	return nil
}

// checkContainer looks at what can be judged before the container is known.
func (c *Call) checkContainer() error {
	if err := checkMeta(c.R.Header, "Container"); err != nil {
		return err
	}
	for _, name := range []string{"X-Container-Read", "X-Container-Write"} {
		if text := c.R.Header.Get(name); text != "" {
			clean, err := objectstore.CleanACL(name, text)
			if err != nil {
				return Refuse(http.StatusBadRequest, "%s", err.Error())
			}
			c.R.Header.Set(name, clean)
		}
	}
	return nil
}

func (c *Call) policy() (index int, named bool, err error) {
	name := c.R.Header.Get("X-Storage-Policy")
	if name == "" {
		return 0, false, nil
	}
	p, ok := c.Service.PolicyByName(name)
	if !ok {
		return 0, false, Refuse(http.StatusBadRequest, "Invalid X-Storage-Policy '%s'", name)
	}
	if p.Deprecated {
		return 0, false, Refuse(http.StatusBadRequest, "Storage Policy '%s' is deprecated", p.Name)
	}
	return p.Index, true, nil
}

func (c *Call) changeContainer(con *objectstore.Container, fresh bool) error {
	changes := MetaChanges(c.R.Header, "Container")
	for name := range changes {
		if strings.HasPrefix(name, "Temp-Url-Key") && !c.Grant.Owner {
			delete(changes, name)
		}
	}
	con.Meta = objectstore.Merge(con.Meta, changes)
	if err := checkTotal(con.Meta); err != nil {
		return err
	}
	if c.Grant.Owner {
		for name, key := range map[string]string{"X-Container-Read": objectstore.SystemRead, "X-Container-Write": objectstore.SystemWrite} {
			if acl, given := header(c.R.Header, name); given {
				con.System = objectstore.Merge(con.System, map[string]string{key: acl})
			}
		}
	}
	for _, f := range c.API.features {
		if f.Container != nil {
			if err := f.Container(c, con, fresh); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Call) postContainer() error {
	if err := c.Authorize(objectstore.WriteContainer, ""); err != nil {
		return err
	}
	if err := c.checkContainer(); err != nil {
		return err
	}
	con, err := c.Service.UpdateContainer(c.R.Context(), c.Account, c.Container, func(con *objectstore.Container) error { return c.changeContainer(con, false) })
	if err != nil {
		return err
	}
	c.cors(&con)
	return c.noContent()
}

func (c *Call) deleteContainer() error {
	if err := c.Authorize(objectstore.WriteContainer, ""); err != nil {
		return err
	}
	err := c.Service.DeleteContainer(c.R.Context(), c.Account, c.Container, func(con objectstore.Container) error {
		for _, f := range c.API.features {
			if f.DeleteContainer != nil {
				if err := f.DeleteContainer(c, con); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.noContent()
}
