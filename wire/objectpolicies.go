package wire

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"altostack/driver/fileobjects"
	"altostack/driver/s3objects"
	"altostack/objectstore"
)

// objectPolicies opens what the setting object_policies names: INDEX:NAME for
// files in the data directory, INDEX:NAME=file:/directory, INDEX:NAME=s3://bucket@host:port/prefix
// or s3+http://…. The first one is the default. The index is what containers
// remember: it must stay what it was.
func (s *System) objectPolicies(ctx context.Context) ([]objectstore.Policy, error) {
	var out []objectstore.Policy
	deprecated := words(s.opt.Config.String("object_policies_deprecated"))
	for _, word := range words(s.opt.Config.String("object_policies")) {
		p, err := s.objectPolicy(ctx, word)
		if err != nil {
			return nil, fmt.Errorf("object_policies: %w", err)
		}
		if slices.ContainsFunc(out, func(o objectstore.Policy) bool { return o.Index == p.Index || strings.EqualFold(o.Name, p.Name) }) {
			return nil, fmt.Errorf("object_policies: %q is there twice", word)
		}
		p.Default, p.Deprecated = len(out) == 0, slices.Contains(deprecated, p.Name)
		if p.Default && p.Deprecated {
			return nil, fmt.Errorf("object_policies: %s is deprecated and cannot be the default", p.Name)
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("object_policies: at least one policy is needed")
	}
	return out, nil
}

func (s *System) objectPolicy(ctx context.Context, word string) (p objectstore.Policy, err error) {
	number, rest, ok := strings.Cut(word, ":")
	name, where, _ := strings.Cut(rest, "=")
	if p.Index, err = strconv.Atoi(number); !ok || err != nil || p.Index < 0 || name == "" {
		return p, fmt.Errorf("%q is not INDEX:NAME, INDEX:NAME=file:/directory or INDEX:NAME=s3://bucket@host", word)
	}
	p.Name = name
	switch {
	case where == "" && p.Index == 0:
		p.Backend, err = fileobjects.Open(s.dir.File("objects"))
	case where == "":
		p.Backend, err = fileobjects.Open(s.dir.File("objects-" + number))
	case strings.HasPrefix(where, "file:/"):
		p.Backend, err = fileobjects.Open(strings.TrimPrefix(where, "file:"))
	case strings.HasPrefix(where, "s3://"), strings.HasPrefix(where, "s3+http://"):
		p.Backend, err = s.s3Objects(ctx, where)
	default:
		err = fmt.Errorf("%q is neither file:/directory nor s3://bucket@host", where)
	}
	return p, err
}

func (s *System) s3Objects(ctx context.Context, where string) (*s3objects.Store, error) {
	u, err := url.Parse(where)
	if err != nil || u.User == nil || u.User.Username() == "" {
		return nil, fmt.Errorf("%q is not s3://bucket@host", where)
	}
	prefix := strings.Trim(u.Path, "/")
	if prefix != "" {
		prefix += "/"
	}
	return s3objects.Open(ctx, s3objects.Config{Endpoint: u.Host, Secure: u.Scheme == "s3", Region: s.opt.Config.String("object_s3_region"), Bucket: u.User.Username(), Prefix: prefix,
		AccessKey: s.opt.Config.String("object_s3_access_key"), SecretKey: s.opt.Config.String("object_s3_secret_key")})
}
