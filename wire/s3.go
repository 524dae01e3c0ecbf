package wire

import (
	"strings"

	"altostack/kernel/rest"
	"altostack/objectstore/s3"
)

// s3 serves the object store by the S3 protocol, beside all that has a path.
func (s *System) s3(metrics *rest.Metrics) *s3.API {
	origins := strings.FieldsFunc(s.opt.Config.String("s3_preflight_origins"), func(r rune) bool { return r == ',' || r == ' ' })
	return s3.New(s3.Config{Service: s.objects, Keys: s.identity, Clock: s.clock, IDs: s.ids, Log: s.log, Metrics: metrics, Audit: s.audit,
		Domain: s.opt.Config.String("s3_domain"), Preflight: origins})
}
