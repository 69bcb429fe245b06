package arch

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "github.com/ducatpay/ducat"

	// linesMax keeps a file something one can hold in the head.
	linesMax = 900
)

// Groups of packages, by their path under internal/.
var (
	leaves = []string{"money", "id", "clock", "fault", "resource", "reqlog"}

	// domain is the pure part: no I/O, and no dialect.
	domain = []string{"ledger", "method", "payment", "agreement", "merchant", "event", "race"}

	core = slices.Concat(leaves, domain)

	// neutral packages must not know that any particular provider exists. A
	// live rail is named after somebody and is therefore not among them.
	neutral = slices.Concat(domain, []string{
		"rail", "rail/simrail", "rail/railtest", "engine", "job", "webhook",
		"store", "store/sqlstore", "store/sqlite", "store/postgres", "store/storetest",
	})

	// surfaces are neutral too. Their tests have to speak to them in somebody's
	// words.
	surfaces = []string{"hosted", "portal", "control"}

	providers = []string{"stripe", "antom", "multisafepay"}
)

// Words with a meaning of their own in an entry's list.
const (
	anything = "*"   // every package under internal/
	parts    = "./*" // the packages directly below the importing one
)

// entry says what one package may import of ours. The path is relative to the
// repository's internal/ directory, or begins with cmd/; a last element of *
// stands for any one name and yields to an exact entry.
type entry struct {
	pkg    string
	may    []string
	reason string
}

var table = []entry{
	{"money", nil, "leaves are used by everything, so they use nothing of ours"},
	{"id", nil, "leaves are used by everything, so they use nothing of ours"},
	{"clock", nil, "leaves are used by everything, so they use nothing of ours"},
	{"fault", nil, "leaves are used by everything, so they use nothing of ours"},
	{"resource", nil, "leaves are used by everything, so they use nothing of ours"},
	{"pack", nil, "leaves are used by everything, so they use nothing of ours"},
	{"reqlog", nil, "leaves are used by everything, so they use nothing of ours"},

	{"ledger", leaves, "the books know amounts and accounts, not what was bought or how it was paid"},
	{"method", leaves, "the catalogue is data about products and depends on no use of it"},
	{"payment", with(leaves, "method"), "a payment's rules come from its method; everything else is told to it as evidence"},
	{"agreement", with(leaves, "method"), "an agreement's rules come from its method; payments refer to it, not it to payments"},
	{"merchant", leaves, "accounts and keys exist before any payment does"},
	{"race", leaves, "rules of the race lab are judged and matched; who is asked obeys them"},
	{"event", leaves, "facts carry values, so that they outlive the types they were made from"},

	{"rail", with(leaves, "method"), "the port is stated in neutral words; acquirers and wallets know no store and no engine"},
	{"rail/*", with(leaves, "method", "rail", "safehttp"), "a rail answers through the port and calls out through safehttp; it knows no other rail, no engine and no store"},
	{"rail/simrail", with(leaves, "method", "rail"), "the simulator decides in-process and calls nobody"},
	{"rail/railtest", with(leaves, "method", "rail"), "the conformance suite judges any rail, so it knows only the port"},

	{"engine", with(core, "rail", "store", "job"), "use cases join core, rail and store through their ports; which rail and which database is main's choice"},

	{"store", core, "ports speak of core types; they know neither SQL nor the use cases"},
	{"store/sqlstore", with(core, "store"), "shared statements know the ports and no particular database"},
	{"store/sqlite", with(core, "store", "store/sqlstore"), "a database engine holds what differs, and does not know the other one"},
	{"store/postgres", with(core, "store", "store/sqlstore"), "a database engine holds what differs, and does not know the other one"},
	{"store/storetest", with(core, "store"), "the conformance suite judges any store, so it knows only the ports"},

	{"job", with(core, "store"), "durable work is rows and a loop; what a job does is handed to it"},
	{"localca", nil, "certificates are made without knowing what is served under them"},
	{"safehttp", leaves, "the address policy must be judged without knowing who calls"},
	{"webhook", with(core, "store", "safehttp", "job"), "delivery signs through an interface and knows no wire format"},

	{"wire/*", with(core, "engine", "store", "rail", "webhook", "safehttp", "report", "pack", parts), "a dialect translates between its wire and the engine; it reads its rows through the store's port, names simulator instructions and deliveries, and knows no other dialect, no database and no particular rail"},
	{"wire/antom/settlement", with(core, "report"), "a part of a dialect that renders report entries has to know what an entry is"},
	{"wire/*/*", core, "a part of a dialect is about its form alone, so that it can be fuzzed without an engine; dialects share no parts"},
	{"wire/wiretest", with(core, "engine", "store", "pgtest", "server"), "the dialects' test helper starts the whole system and names none of them"},
	{"hosted", with(core, "engine", "store", "rail"), "pages are another way to call the engine; they know no dialect"},
	{"portal", with(core, "engine", "store"), "the merchant's pages are another way to call the engine and read through its store's port; what a dialect keeps they ask of it through an interface, and they name none"},
	{"control", with(core, "engine", "store", "rail"), "the control API is another way to call the engine; it knows no dialect"},
	{"demo", nil, "the demo shop is a client of the API, handed to it as a handler"},
	{"elements", []string{"elements/bundle"}, "the browser library is files to serve, and a test that they are current"},
	{"elements/bundle", nil, "building the library's files needs its sources alone"},
	{"report", with(core, "store"), "reports read what was stored and change nothing"},
	{"report/sftp", with(core, "store", "report"), "the file server hands out what was reported and knows no dialect"},

	{"server", []string{anything}, "assembly: it joins every surface to one listener"},
	{"bench", []string{anything}, "benchmarks measure the whole system"},
	{"crash", []string{anything}, "the crash test is a client of the whole program, and starts its databases"},
	{"servertest", []string{"server"}, "starting the program for a test needs its path; the server is named so that cached results do not outlive it"},
	{"browsertest", nil, "starting a browser for a test needs nothing of ours"},
	{"golden", nil, "comparing a result with a file needs nothing of ours"},
	{"pgtest", leaves, "starting a PostgreSQL for a test needs nothing of ours, and store's own tests use it"},
	{"arch", nil, "rules about the code read files"},

	{"cmd/*", []string{anything}, "main wires everything; nothing imports main"},
}

func with(group []string, more ...string) []string { return slices.Concat(group, more) }

// impure lists the parts of the standard library that reach outside the
// process. Names ending in / cover what is below. log/slog is not among them:
// a secret says through it how it wants to be hidden.
var impure = []string{
	"database/sql", "database/sql/", "io/ioutil", "log", "log/syslog", "net", "net/http", "net/http/",
	"net/mail", "net/rpc", "net/rpc/", "net/smtp", "os", "os/", "plugin", "syscall", "testing", "testing/",
}

// ban forbids names of one import path outside the homes. With no names, the
// import itself is forbidden.
type ban struct {
	path  string
	names []string
	homes []string // as in entry.pkg; cmd/* is any command
	tests bool     // test files are exempt
	also  []string // names forbidden in every test file, homes included
	why   string
}

var bans = []ban{
	{
		path: "time", names: []string{"Now", "Since", "Until", "Sleep"},
		homes: []string{"clock", "cmd/*", "pgtest", "bench"},
		tests: true, also: []string{"Sleep"},
		why: "time is injected, so that a sandbox can be moved through it (use clock, or take at time.Time); in tests, sleeping is not waiting (use testing/synctest or a signal)",
	},
	{
		path: "math/rand", tests: true,
		why: "ids and secrets come from an injected io.Reader, so that they are unpredictable in service and repeatable in tests",
	},
	{
		path: "math/rand/v2", tests: true,
		why: "ids and secrets come from an injected io.Reader, so that they are unpredictable in service and repeatable in tests",
	},
	{
		path: "os", names: []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"},
		homes: []string{"cmd/*", "pgtest", "servertest", "browsertest"}, tests: true,
		why: "configuration is read once, in main, and passed on; a package that looks into the environment cannot be run twice in one process",
	},
	{
		path: "net/http", names: []string{"DefaultClient", "Get", "Head", "Post", "PostForm"},
		homes: []string{"safehttp"}, tests: true,
		why: "outbound calls go through safehttp, which judges addresses and sets limits; the default client does neither",
	},
}

// source is one Go or SQL file. Its name is relative to the repository's root,
// with forward slashes.
type source struct {
	name string
	text []byte
	fset *token.FileSet
	tree *ast.File // nil for SQL
}

func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

func (s source) dir() string { return path.Dir(s.name) }

// pkg names the package as the table does.
func (s source) pkg() string { return strings.TrimPrefix(s.dir(), "internal/") }

// ruled reports whether the import table is about this file.
func (s source) ruled() bool {
	return strings.HasPrefix(s.name, "internal/") || strings.HasPrefix(s.name, "cmd/")
}

func (s source) at(pos token.Pos) string {
	return fmt.Sprintf("%s:%d", s.name, s.fset.Position(pos).Line)
}

func parse(name string, text []byte) (source, error) {
	s := source{name: name, text: text, fset: token.NewFileSet()}
	if !strings.HasSuffix(name, ".go") {
		return s, nil
	}
	var err error
	s.tree, err = parser.ParseFile(s.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	return s, err
}

// repository reads every Go file of the module and every SQL file beside them.
func repository(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	var all []source
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if d.IsDir() {
			if name != "." && outside(p, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if ext := path.Ext(name); ext != ".go" && ext != ".sql" {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		s, err := parse(name, text)
		if err != nil {
			t.Errorf("%v: a file that does not parse cannot be judged", err)
			return nil
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatalf("walk the repository: %v", err)
	}
	// A walk from the wrong place would find nothing wrong.
	if !slices.ContainsFunc(all, func(s source) bool { return s.name == "internal/arch/arch_test.go" }) {
		t.Fatalf("walked %d files and did not meet this one", len(all))
	}
	return all
}

// outside reports whether a directory is no part of the module's own source.
func outside(dir, base string) bool {
	switch {
	case strings.HasPrefix(base, "."), strings.HasPrefix(base, "_"):
		return true
	case base == "testdata", base == "node_modules", base == "artifacts", base == "bin":
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod")) // a module of its own
	return err == nil
}

// A rule judges all files at once and returns a line per offence.
type rule struct {
	name  string
	judge func([]source) []string
}

var rules = []rule{
	{"Imports", imports},
	{"Purity", purity},
	{"BannedCalls", bannedCalls},
	{"PackageComments", packageComments},
	{"FileLength", fileLength},
	{"ProviderNames", providerNames},
}

func TestRules(t *testing.T) {
	t.Parallel()
	all := repository(t)
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, offence := range r.judge(all) {
				t.Error(offence)
			}
		})
	}
}

// lookup finds the entry for a package; an exact one wins over a pattern.
func lookup(pkg string) (entry, bool) {
	var found entry
	var ok bool
	for _, e := range table {
		if e.pkg == pkg {
			return e, true
		}
		if matches(e.pkg, pkg) {
			found, ok = e, true
		}
	}
	return found, ok
}

func matches(pattern, pkg string) bool {
	ok, err := path.Match(pattern, pkg)
	return err == nil && ok
}

func imports(all []source) []string {
	var offences []string
	for _, s := range all {
		if s.tree == nil || s.isTest() || !s.ruled() {
			continue
		}
		e, ok := lookup(s.pkg())
		if !ok {
			offences = append(offences, fmt.Sprintf("%s: package %s is not in the import table; add an entry with a reason, and say in docs/architecture.md what it is for",
				s.at(s.tree.Package), s.dir()))
			continue
		}
		for _, spec := range s.tree.Imports {
			ours, ok := ourPackage(importPath(spec))
			if !ok || slices.Contains(e.may, ours) {
				continue
			}
			if slices.Contains(e.may, anything) && !strings.HasPrefix(ours, "cmd/") {
				continue
			}
			if slices.Contains(e.may, parts) && path.Dir(ours) == s.pkg() {
				continue
			}
			offences = append(offences, fmt.Sprintf("%s: %s must not import %s: %s", s.at(spec.Pos()), s.dir(), ours, e.reason))
		}
	}
	return offences
}

// ourPackage returns the table's name for an import path of this module.
func ourPackage(importPath string) (string, bool) {
	if importPath == module {
		return "the root package", true
	}
	rest, ok := strings.CutPrefix(importPath, module+"/")
	return strings.TrimPrefix(rest, "internal/"), ok
}

func importPath(spec *ast.ImportSpec) string {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		panic(fmt.Sprintf("the parser accepted the import path %s: %v", spec.Path.Value, err))
	}
	return p
}

// purity keeps leaves and domain free of I/O and of other people's modules.
// The clock is the one leaf that may wait; it does so with the standard
// library's time package only.
func purity(all []source) []string {
	var offences []string
	for _, s := range all {
		if s.tree == nil || s.isTest() || !s.ruled() || !slices.Contains(core, s.pkg()) {
			continue
		}
		for _, spec := range s.tree.Imports {
			p := importPath(spec)
			if _, ours := ourPackage(p); ours {
				continue
			}
			first, _, _ := strings.Cut(p, "/")
			switch {
			case strings.Contains(first, "."):
				offences = append(offences, fmt.Sprintf("%s: %s must not import %s: the core needs the standard library and nothing else, so that nothing outside can change what money means",
					s.at(spec.Pos()), s.dir(), p))
			case slices.ContainsFunc(impure, func(i string) bool {
				return p == i || strings.HasSuffix(i, "/") && strings.HasPrefix(p, i)
			}):
				offences = append(offences, fmt.Sprintf("%s: %s must not import %s: the core is pure; it decides, and others read, write and log",
					s.at(spec.Pos()), s.dir(), p))
			}
		}
	}
	return offences
}

func bannedCalls(all []source) []string {
	var offences []string
	for _, s := range all {
		if s.tree == nil {
			continue
		}
		for _, b := range bans {
			offences = append(offences, b.judge(s)...)
		}
	}
	return offences
}

func (b ban) judge(s source) []string {
	var spec *ast.ImportSpec
	for _, i := range s.tree.Imports {
		if importPath(i) == b.path {
			spec = i
		}
	}
	if spec == nil {
		return nil
	}
	names := b.names
	switch home := slices.ContainsFunc(b.homes, func(h string) bool { return matches(h, s.pkg()) }); {
	case s.isTest() && b.tests:
		names = b.also
		if len(names) == 0 {
			return nil
		}
	case home:
		return nil
	case len(names) == 0:
		return []string{fmt.Sprintf("%s: %s does not belong here: %s", s.at(spec.Pos()), b.path, b.why)}
	}

	local := path.Base(b.path)
	if spec.Name != nil {
		local = spec.Name.Name
	}
	if local == "." {
		return []string{fmt.Sprintf("%s: %s is imported without a name, which hides who calls it: %s", s.at(spec.Pos()), b.path, b.why)}
	}
	var offences []string
	// Any mention counts, not only a call: a function passed on is called later.
	ast.Inspect(s.tree, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == local && slices.Contains(names, sel.Sel.Name) {
			offences = append(offences, fmt.Sprintf("%s: %s.%s does not belong here: %s", s.at(sel.Pos()), path.Base(b.path), sel.Sel.Name, b.why))
		}
		return true
	})
	return offences
}

func packageComments(all []source) []string {
	type pkg struct {
		first     source
		commented bool
	}
	packages := map[string]*pkg{}
	var dirs []string
	for _, s := range all {
		if s.tree == nil || s.isTest() {
			continue // a package of tests only is read by running it
		}
		p := packages[s.dir()]
		if p == nil {
			p = &pkg{first: s}
			packages[s.dir()] = p
			dirs = append(dirs, s.dir())
		}
		// Text leaves directives out, so a lone go:generate is no comment.
		p.commented = p.commented || s.tree.Doc.Text() != ""
	}
	var offences []string
	for _, dir := range dirs {
		if p := packages[dir]; !p.commented {
			offences = append(offences, fmt.Sprintf("%s: package %s has no package comment: every package opens with what it is for, what it promises, and what it leaves to others",
				p.first.at(p.first.tree.Package), dir))
		}
	}
	return offences
}

func fileLength(all []source) []string {
	var offences []string
	for _, s := range all {
		if s.tree == nil || s.isTest() {
			continue
		}
		if lines := bytes.Count(s.text, []byte("\n")); lines > linesMax {
			offences = append(offences, fmt.Sprintf("%s:%d: the file has %d lines, over %d: a file that long holds two subjects; find the second and give it a name",
				s.name, linesMax+1, lines, linesMax))
		}
	}
	return offences
}

func providerNames(all []source) []string {
	var offences []string
	offend := func(where, what, provider string) {
		offences = append(offences, fmt.Sprintf("%s: %s mentions %s: the core knows no provider; what only one of them needs belongs to its dialect", where, what, provider))
	}
	for _, s := range all {
		if !s.ruled() || !inNeutral(s) {
			continue
		}
		if s.tree == nil {
			for i, line := range strings.Split(string(s.text), "\n") {
				statement, _, _ := strings.Cut(line, "--")
				if p, ok := provider(statement); ok {
					offend(fmt.Sprintf("%s:%d", s.name, i+1), "SQL", p)
				}
			}
			continue
		}
		ast.Inspect(s.tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec:
				return false // the import table judges these
			case *ast.Ident:
				if p, ok := provider(n.Name); ok {
					offend(s.at(n.Pos()), "identifier "+n.Name, p)
				}
			case *ast.BasicLit:
				if p, ok := provider(n.Value); ok && n.Kind == token.STRING {
					offend(s.at(n.Pos()), "a string", p)
				}
			}
			return true
		})
	}
	return offences
}

// inNeutral reports whether a file belongs to a neutral package; SQL may live
// in a directory below it.
func inNeutral(s source) bool {
	if slices.Contains(neutral, s.pkg()) || slices.Contains(surfaces, s.pkg()) && !s.isTest() {
		return true
	}
	return s.tree == nil && slices.ContainsFunc(neutral, func(n string) bool { return strings.HasPrefix(s.pkg(), n+"/") })
}

// provider finds a provider's name in any spelling. A phantom (as in phantom
// read) is not Antom.
func provider(text string) (string, bool) {
	text = strings.ReplaceAll(strings.ToLower(text), "phantom", "")
	for _, p := range providers {
		if strings.Contains(text, p) {
			return p, true
		}
	}
	return "", false
}

// TestTable checks the table itself: a typo there would forbid or allow by accident.
func TestTable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, e := range table {
		if e.reason == "" {
			t.Errorf("entry %s has no reason", e.pkg)
		}
		if seen[e.pkg] {
			t.Errorf("entry %s is there twice", e.pkg)
		}
		seen[e.pkg] = true
		for _, m := range e.may {
			if _, ok := lookup(m); !ok && m != anything && m != parts {
				t.Errorf("entry %s allows %s, which has no entry", e.pkg, m)
			}
		}
	}
	for _, n := range neutral {
		if _, ok := lookup(n); !ok {
			t.Errorf("neutral package %s has no entry", n)
		}
	}
	for _, b := range bans {
		for _, h := range b.homes {
			if !seen[h] {
				t.Errorf("ban on %s has the home %s, which has no entry", b.path, h)
			}
		}
	}
}

// TestRulesBite shows each rule an offence, and beside it the nearest thing
// that is allowed.
func TestRulesBite(t *testing.T) {
	t.Parallel()
	const doc = "// Package p is an example.\n"
	imp := func(p string) string { return doc + "package p\nimport _ \"" + module + "/internal/" + p + "\"\n" }
	use := func(path, expr string) string {
		return doc + "package p\nimport \"" + path + "\"\nvar _ = " + expr + "\n"
	}
	long := func(lines int) string { return doc + "package p\n" + strings.Repeat("//\n", lines-2) }

	cases := []struct {
		name, file, text string
		want             string // how the one offence begins; empty for none
	}{
		{"leaf imports a leaf", "internal/money/a.go", imp("fault"), "internal/money/a.go:3: internal/money must not import fault: "},
		{"domain imports a leaf", "internal/ledger/a.go", imp("money"), ""},
		{"domain imports store", "internal/ledger/a.go", imp("store"), "internal/ledger/a.go:3: internal/ledger must not import store: "},
		{"payment imports method", "internal/payment/a.go", imp("method"), ""},
		{"ledger imports payment", "internal/ledger/a.go", imp("payment"), "internal/ledger/a.go:3: "},
		{"engine imports the port", "internal/engine/a.go", imp("rail"), ""},
		{"engine imports a rail", "internal/engine/a.go", imp("rail/simrail"), "internal/engine/a.go:3: "},
		{"engine imports a dialect", "internal/engine/a.go", imp("wire/antom"), "internal/engine/a.go:3: "},
		{"dialect imports engine", "internal/wire/antom/a.go", imp("engine"), ""},
		{"dialect imports dialect", "internal/wire/antom/a.go", imp("wire/stripe"), "internal/wire/antom/a.go:3: internal/wire/antom must not import wire/stripe: "},
		{"dialect imports its part", "internal/wire/antom/a.go", imp("wire/antom/form"), ""},
		{"dialect imports another's part", "internal/wire/antom/a.go", imp("wire/stripe/form"), "internal/wire/antom/a.go:3: "},
		{"part imports engine", "internal/wire/antom/form/a.go", imp("engine"), "internal/wire/antom/form/a.go:3: "},
		{"port imports what is below", "internal/store/a.go", imp("store/sqlite"), "internal/store/a.go:3: "},
		{"dialect imports a database", "internal/wire/antom/a.go", imp("store/sqlite"), "internal/wire/antom/a.go:3: "},
		{"dialect's test imports store", "internal/wire/antom/a_test.go", imp("store"), ""},
		{"database imports database", "internal/store/sqlite/a.go", imp("store/postgres"), "internal/store/sqlite/a.go:3: "},
		{"exact entry wins", "internal/rail/simrail/a.go", imp("safehttp"), "internal/rail/simrail/a.go:3: "},
		{"live rail calls out", "internal/rail/somerail/a.go", imp("safehttp"), ""},
		{"rail imports rail", "internal/rail/somerail/a.go", imp("rail/simrail"), "internal/rail/somerail/a.go:3: "},
		{"server imports anything", "internal/server/a.go", imp("wire/stripe"), ""},
		{"server imports cmd", "internal/server/a.go", strings.ReplaceAll(imp("x"), "internal/x", "cmd/ducat"), "internal/server/a.go:3: internal/server must not import cmd/ducat: "},
		{"cmd imports anything", "cmd/ducat/a.go", imp("server"), ""},
		{"stranger", "internal/utils/a.go", doc + "package p\n", "internal/utils/a.go:2: package internal/utils is not in the import table"},

		{"domain reads files", "internal/ledger/a.go", use("os", "os.Args"), "internal/ledger/a.go:3: internal/ledger must not import os: the core is pure"},
		{"domain's test reads files", "internal/ledger/a_test.go", use("os", "os.Args"), ""},
		{"domain hides a secret", "internal/merchant/a.go", use("log/slog", "slog.StringValue"), ""},
		{"domain does HTTP", "internal/event/a.go", use("net/http/httputil", "httputil.ErrClosed"), "internal/event/a.go:3: "},
		{"domain parses URLs", "internal/merchant/a.go", use("net/url", "url.Parse"), ""},
		{"domain uses a module", "internal/ledger/a.go", use("example.com/m", "m.X"), "internal/ledger/a.go:3: internal/ledger must not import example.com/m: "},
		{"engine uses a module", "internal/engine/a.go", use("example.com/m", "m.X"), ""},

		{"reads time", "internal/engine/a.go", use("time", "time.Now()"), "internal/engine/a.go:4: time.Now does not belong here: "},
		{"passes time on", "internal/engine/a.go", use("time", "time.Now"), "internal/engine/a.go:4: "},
		{"reads time by another name", "internal/engine/a.go", doc + "package p\nimport t \"time\"\nvar _ = t.Since\n", "internal/engine/a.go:4: time.Since "},
		{"hides time", "internal/engine/a.go", doc + "package p\nimport . \"time\"\nvar _ = Now\n", "internal/engine/a.go:3: time is imported without a name"},
		{"names a duration", "internal/engine/a.go", use("time", "time.Second"), ""},
		{"clock reads time", "internal/clock/a.go", use("time", "time.Now()"), ""},
		{"cmd reads time", "cmd/ducat/a.go", use("time", "time.Now()"), ""},
		{"test reads time", "internal/engine/a_test.go", use("time", "time.Now()"), ""},
		{"test sleeps", "internal/engine/a_test.go", use("time", "time.Sleep"), "internal/engine/a_test.go:4: time.Sleep "},
		{"clock's test sleeps", "internal/clock/a_test.go", use("time", "time.Sleep"), "internal/clock/a_test.go:4: time.Sleep "},
		{"pgtest sleeps", "internal/pgtest/a.go", use("time", "time.Sleep"), ""},
		{"chance", "internal/engine/a.go", use("math/rand", "rand.Int"), "internal/engine/a.go:3: math/rand does not belong here: "},
		{"chance, second edition", "cmd/ducat/a.go", use("math/rand/v2", "rand.Int"), "cmd/ducat/a.go:3: math/rand/v2 "},
		{"chance in a test", "internal/engine/a_test.go", use("math/rand/v2", "rand.Int"), ""},
		{"secret chance", "internal/engine/a.go", use("crypto/rand", "rand.Reader"), ""},
		{"environment", "internal/engine/a.go", use("os", "os.Getenv(\"A\")"), "internal/engine/a.go:4: os.Getenv "},
		{"environment in cmd", "cmd/ducat/a.go", use("os", "os.Getenv(\"A\")"), ""},
		{"environment in a test", "internal/engine/a_test.go", use("os", "os.Getenv(\"A\")"), ""},
		{"default client", "internal/webhook/a.go", use("net/http", "http.DefaultClient"), "internal/webhook/a.go:4: http.DefaultClient "},
		{"default post", "cmd/ducat/a.go", use("net/http", "http.Post"), "cmd/ducat/a.go:4: http.Post "},
		{"safehttp's client", "internal/safehttp/a.go", use("net/http", "http.DefaultClient"), ""},
		{"method of a mux", "internal/webhook/a.go", use("net/http", "http.MethodPost"), ""},

		{"no package comment", "internal/engine/a.go", "package p\n", "internal/engine/a.go:1: package internal/engine has no package comment"},
		{"comment is a directive", "internal/engine/a.go", "//go:generate true\npackage p\n", "internal/engine/a.go:2: package internal/engine has no package comment"},
		{"tests only", "internal/sim/a_test.go", "package p\n", ""},

		{"long enough", "internal/engine/a.go", long(linesMax), ""},
		{"too long", "internal/engine/a.go", long(linesMax + 1), "internal/engine/a.go:901: the file has 901 lines"},
		{"long test", "internal/engine/a_test.go", long(linesMax + 1), ""},

		{"provider in a name", "internal/engine/a.go", doc + "package p\nvar forStripeOnly int\n", "internal/engine/a.go:3: identifier forStripeOnly mentions stripe: "},
		{"provider in a string", "internal/store/sqlstore/a.go", doc + "package p\nvar _ = `select MultiSafepay`\n", "internal/store/sqlstore/a.go:3: a string mentions multisafepay: "},
		{"provider in a tag", "internal/event/a.go", doc + "package p\ntype t struct {\n\tA int `json:\"antom\"`\n}\n", "internal/event/a.go:4: a string mentions antom: "},
		{"provider in a comment", "internal/engine/a.go", doc + "package p\n// Stripe does this too.\nvar _ int\n", ""},
		{"provider at home", "internal/wire/stripe/a.go", doc + "package p\nvar stripe = \"stripe\"\n", ""},
		{"phantom", "internal/store/storetest/a.go", doc + "package p\nvar phantomRead int\n", ""},
		{"provider in SQL", "internal/store/sqlstore/migrations/1.sql", "-- fine: stripe\ncreate table antom_x (a text);\n", "internal/store/sqlstore/migrations/1.sql:2: SQL mentions antom: "},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := parse(c.file, []byte(c.text))
			if err != nil {
				t.Fatalf("the example does not parse: %v", err)
			}
			var got []string
			for _, r := range rules {
				got = append(got, r.judge([]source{s})...)
			}
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("offences %q, want none", got)
			case c.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], c.want)):
				t.Errorf("offences %q, want one that begins %q", got, c.want)
			}
		})
	}
}
