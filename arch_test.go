// Package altostack holds no code: it is where the rules of the house are
// checked. ARCHITECTURE.md says what they mean.
package altostack

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rooms says what each folder may import of our own code, first match wins. A
// trailing /... is a whole folder. {x} is any service.
var rooms = []struct{ folder, may string }{
	{"cmd/altostack", "wire audit image/metadefs image/catalogue client bench hostapi kernel/..."},
	{"wire/...", "*"},
	{"e2e/...", "*"},
	{"client", ""},
	{"bench", "client"},
	{"kernel/...", "kernel/..."},
	{"audit", "kernel/..."},
	{"audit/store", "audit kernel/..."},
	{"saga/...", "saga/... kernel/..."},
	{"reconcile/...", "reconcile/... kernel/..."},
	{"hostapi", "kernel/fault"},
	{"agent/...", "agent/... hostapi kernel/..."},
	{"driver/...", "driver/... agent/... hostapi kernel/... image image/inspect volume volume/volumetest image/imagetest objectstore objectstore/objectstoretest"},
	{"volume", "image saga reconcile hostapi kernel/..."},
	{"compute", "placement image network volume identity saga reconcile hostapi kernel/..."},
	{"volume/archive", ""},
	{"volume/flow", "volume volume/store volume/archive saga reconcile hostapi kernel/..."},
	{"{x}", "saga reconcile hostapi kernel/... {x}/inspect {x}/fetch {x}/mapping {x}/signing"},
	{"compute/console", "compute hostapi kernel/..."},
	{"objectstore/s3", "objectstore hostapi kernel/..."},
	{"image/inspect", "kernel/..."},
	{"image/fetch", "kernel/..."},
	{"image/metadefs", "kernel/..."},
	{"image/catalogue", ""},
	{"identity/mapping", "kernel/schema"},
	{"identity/signing", ""},
	{"identity/oidc", "identity kernel/..."},
	{"identity/ldap", "identity kernel/..."},
	{"identity/ldap/ldaptest", ""},
	{"{x}/store", "{x} {x}/metadefs saga kernel/... placement"},
	{"objectstore/s3", "objectstore kernel/..."},
	{"{x}/api", "{x} {x}/signing {x}/metadefs {x}/console saga hostapi kernel/..."},
	{"{x}/flow", "{x} {x}/store saga reconcile hostapi kernel/..."},
	{"{x}/data", ""},
	{"objectstore/manifest", ""},
	{"objectstore/signed", ""},
	{"objectstore/bulk", ""},
	{"objectstore/staticweb", ""},
	{"objectstore/feature", "objectstore objectstore/api objectstore/manifest objectstore/signed objectstore/bulk objectstore/staticweb kernel/..."},
	{"{x}/{x}test", "*"},
	{"tools/...", ""},
}

var services = []string{"identity", "placement", "image", "network", "volume", "compute", "objectstore"}

const module = "altostack"

func match(pattern, pkg, service string) bool {
	for _, p := range strings.Fields(strings.ReplaceAll(pattern, "{x}", service)) {
		prefix, whole := strings.CutSuffix(p, "/...")
		if p == "*" || pkg == p || whole && (pkg == prefix || strings.HasPrefix(pkg, prefix+"/")) {
			return true
		}
	}
	return false
}

func sources(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "node_modules" || d.Name() == "bin" || d.Name() == "tools") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			out = append(out, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestArchitecture walks every import and every package comment.
func TestArchitecture(t *testing.T) {
	documented := map[string]bool{}
	for _, path := range sources(t) {
		pkg := filepath.ToSlash(filepath.Dir(path))
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		test := strings.HasSuffix(path, "_test.go")
		if !test {
			documented[pkg] = documented[pkg] || f.Doc != nil
			if regexp.MustCompile(`^(util|utils|common|helper|helpers|manager|misc)$`).MatchString(f.Name.Name) {
				t.Errorf("%s: package %s says nothing of what it holds", path, f.Name.Name)
			}
		}
		if !test && pkg != "." {
			imports(t, path, pkg, f)
		}
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("package %s has no comment that says what it owns", pkg)
		}
	}
}

func imports(t *testing.T, path, pkg string, f *ast.File) {
	t.Helper()
	service := strings.Split(pkg, "/")[0]
	if !slices.Contains(services, service) {
		service = "-"
	}
	may, known := "", false
	for _, r := range rooms {
		if match(r.folder, pkg, service) {
			may, known = r.may, true
			break
		}
	}
	if !known {
		t.Errorf("%s: folder %s is not in the table of rooms", path, pkg)
		return
	}
	for _, i := range f.Imports {
		name := strings.Trim(i.Path.Value, `"`)
		own, ours := strings.CutPrefix(name, module+"/")
		if ours && own != pkg && !match(may, own, service) {
			t.Errorf("%s imports %s; %s may import: %s", path, own, pkg, may)
		}
		if !ours && name == "C" {
			t.Errorf("%s uses cgo", path)
		}
	}
}

// TestDocs holds the code to what the catalogues promise.
func TestDocs(t *testing.T) {
	codes, err := os.ReadFile("kernel/fault/codes.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	var used strings.Builder
	for _, path := range sources(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "_test.go") {
			tests.Write(data)
		} else if !strings.HasSuffix(path, "codes_gen.go") {
			used.Write(data)
		}
	}
	answered, words := map[string]bool{}, tests.String()
	for _, name := range regexp.MustCompile(`\bCode[A-Z]\w*`).FindAllString(used.String(), -1) {
		answered[name] = true
	}
	for i, line := range strings.Split(strings.TrimSpace(string(codes)), "\n") {
		code, _, _ := strings.Cut(line, "\t")
		if i == 0 {
			continue
		}
		constant := "Code"
		for _, w := range strings.FieldsFunc(code, func(r rune) bool { return r == '.' || r == '_' || r == '-' }) {
			constant += strings.ToUpper(w[:1]) + w[1:]
		}
		if !answered[constant] {
			t.Errorf("code %s is never answered", code)
		}
		if !strings.Contains(words, constant) && !strings.Contains(words, code) {
			t.Logf("code %s has no test that provokes it", code)
		}
	}
}
