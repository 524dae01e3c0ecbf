package feature

import "altostack/kernel/contract"

// Operations are the documented calls that the features answer, spelled as the
// contract spells them.
func Operations() []contract.RouteKey {
	const object = "/v1/{account}/{container}/{object}"
	return []contract.RouteKey{
		{Method: "POST", Path: "/v1/{account}?bulk-delete"}, {Method: "DELETE", Path: "/v1/{account}?bulk-delete"},
		{Method: "PUT", Path: "/v1/{account}?extract-archive={fmt}"},
		{Method: "POST", Path: "/v1/{account}/{container} (formpost)"},
		{Method: "GET", Path: "/crossdomain.xml"},
		{Method: "GET", Path: object + "?temp_url_sig={sig}&temp_url_expires={t}"},
		{Method: "PUT", Path: object + "?multipart-manifest=put"}, {Method: "GET", Path: object + "?multipart-manifest=get"},
		{Method: "DELETE", Path: object + "?multipart-manifest=delete"}, {Method: "GET", Path: object + "?part-number={n}"},
		{Method: "PUT", Path: object + " (X-Symlink-Target)"},
		{Method: "PUT", Path: object + "?version-id={id}"}, {Method: "GET", Path: "/v1/{account}/{container}?versions"},
	}
}
