// Command ducat is the payments server: serve, migrate, verify, version.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/report/sftp"
	"github.com/ducatpay/ducat/internal/server"
	"github.com/ducatpay/ducat/internal/store"
)

// version is set by the release build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Garbage is mostly short-lived request data: collecting it less often costs
	// a few megabytes and saves a tenth of the processor. GOGC still overrides.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	// Somebody nearly always waits for the disk in a system call, and the runtime
	// is slow to notice that the processor it counts for that is free. GOMAXPROCS
	// still overrides.
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "ducat:", err)
		os.Exit(1)
	}
}

// gcPercent is how much the heap may grow before it is collected.
const gcPercent = 400

// cli is the command line. Every flag has a DUCAT_… environment twin.
type cli struct {
	Serve   serveCmd   `cmd:"" help:"Run the server."`
	Migrate migrateCmd `cmd:"" help:"Bring the database schema up to date (serve does it too)."`
	Verify  verifyCmd  `cmd:"" help:"Recompute the ledger and all invariants; exit 1 naming the first difference."`
	Version versionCmd `cmd:"" help:"Print the version."`
	Trust   trustCmd   `cmd:"" help:"Print how clients can trust the local certificate and reach this server under the providers' names."`
	Keys    keysCmd    `cmd:"" help:"Provision keys of an account, live ones included."`
	Antom   antomCmd   `cmd:"" help:"Client ids and keys of Antom's protocol."`
	Report  reportCmd  `cmd:"" help:"List or write a merchant's settlement and transaction files."`
}

// database is the flag every command with a database has.
type database struct {
	DB string `name:"db" help:"sqlite:path or postgres://…" default:"sqlite:ducat.db" env:"DUCAT_DB"`
}

// open opens and migrates the database.
func (d database) open(ctx context.Context) (store.Store, error) {
	s, err := server.OpenStore(ctx, d.DB)
	if err != nil {
		return nil, err
	}
	if err := s.Migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot bring the schema of %s up to date: %w", d.safe(), err), s.Close())
	}
	return s, nil
}

// safe is the database's name without a password.
func (d database) safe() string {
	if i, j := strings.Index(d.DB, "://"), strings.LastIndex(d.DB, "@"); i >= 0 && j > i {
		return d.DB[:i+3] + "…" + d.DB[j:]
	}
	return d.DB
}

// streams is where commands print.
type streams struct{ out, err io.Writer }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c cli
	exited := false
	parser, err := kong.New(&c, kong.Name("ducat"), kong.Description("A payments server that speaks the protocols of the providers you integrate."),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { exited = true }), kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(streams{stdout, stderr}))
	if err != nil {
		return err
	}
	k, err := parser.Parse(args)
	if exited {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w (try ducat --help)", err)
	}
	return k.Run()
}

type serveCmd struct {
	database  `embed:""`
	secure    `embed:""`
	Listen    string `help:"Address to listen on." default:"127.0.0.1:12111" env:"DUCAT_LISTEN"`
	PublicURL string `name:"public-url" help:"Address under which payers and merchants reach this server; default http://<listen>." env:"DUCAT_PUBLIC_URL"`
	Sandbox   bool   `help:"Let any well-formed test key open a world of its own." default:"true" negatable:"" env:"DUCAT_SANDBOX"`
	SFTP      string `name:"sftp-listen" help:"Address at which merchants fetch their reports by SFTP; none by default." env:"DUCAT_SFTP_LISTEN"`
	LogFormat string `name:"log-format" help:"text or json." enum:"text,json" default:"text" env:"DUCAT_LOG_FORMAT"`
	LogLevel  string `name:"log-level" help:"debug, info, warn or error." enum:"debug,info,warn,error" default:"info" env:"DUCAT_LOG_LEVEL"`
}

// Limits of the HTTP server.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 15 * time.Minute // a clock may be advanced over much work
	idleTimeout   = 2 * time.Minute
	headerMax     = 32 << 10
	drainTimeout  = 20 * time.Second
)

// Run serves until ctx ends, then lets requests and jobs in hand finish.
func (c *serveCmd) Run(ctx context.Context, out streams) error {
	release, err := server.Claim(c.DB)
	if err != nil {
		return err
	}
	defer func() { _ = release() }()
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("--listen %q is not an address: write host:port, for example 127.0.0.1:12111", c.Listen)
	}
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("--public-url %q is not a URL: write for example https://pay.example.com", c.PublicURL)
	}
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w (is another ducat running? choose another address with --listen)", c.Listen, err)
	}
	base := strings.TrimSuffix(c.PublicURL, "/")
	if base == "" {
		base = "http://" + reachable(ln.Addr())
	}
	tlsLn, tlsConfig, err := c.secure.listen()
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	log := c.logger(out.err)
	srv := server.New(s, server.Config{BaseURL: base, Sandbox: c.Sandbox, Log: log, Clock: clock.Wall{}, IDs: id.System()})
	hs := &http.Server{
		Handler: srv.Handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: headerMax, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	hs.RegisterOnShutdown(srv.EndStreams)
	if err := srv.Engine.PlanAnswers(ctx); err != nil {
		return err
	}
	stopFiles, err := c.serveFiles(ctx, s, log, out)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	defer stopFiles()
	jobs, stopJobs := context.WithCancel(context.WithoutCancel(ctx))
	finished := make(chan struct{})
	go func() { srv.Runner.Run(jobs); close(finished) }()
	served := make(chan error, 2)
	serveTLS(hs, tlsLn, tlsConfig, served)
	go func() { served <- hs.Serve(ln) }()
	c.greet(out.out, base, tlsLn)
	select {
	case err = <-served:
	case <-ctx.Done():
		fmt.Fprintln(out.out, "stopping: finishing what is in hand")
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		err = hs.Shutdown(drain)
	}
	stopJobs()
	<-finished
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// serveFiles serves reports by SFTP, if asked to, until the returned function is
// called.
func (c *serveCmd) serveFiles(ctx context.Context, s store.Store, log *slog.Logger, out streams) (stop func(), err error) {
	if c.SFTP == "" {
		return func() {}, nil
	}
	ln, err := net.Listen("tcp", c.SFTP)
	if err != nil {
		return nil, fmt.Errorf("--sftp-listen: cannot listen on %s: %w", c.SFTP, err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := (&sftp.Server{Store: s, Clock: clock.Wall{}, Log: log}).Serve(ctx, ln); err != nil {
			log.Error("the file server ended", "error", err)
		}
	}()
	fmt.Fprintf(out.out, "  SFTP       sftp://%s   (reports)\n", reachable(ln.Addr()))
	return func() { cancel(); <-done }, nil
}

// reachable is an address this machine can be reached at: a server that listens
// everywhere is here too.
func reachable(a net.Addr) string {
	if t, ok := a.(*net.TCPAddr); ok && t.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(t.Port))
	}
	return a.String()
}

func (c *serveCmd) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel))
	opts := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// greet tells what is running and what to do first.
func (c *serveCmd) greet(w io.Writer, base string, tlsLn net.Listener) {
	fmt.Fprintf(w, `Ducat %s
  database   %s
  Stripe     %s/v1
  Antom      %s/ams
  portal     %s/portal   (payments, refunds, methods, balances)
  control    %s/_ducat/v1   (clock, scripts, deliveries)
  metrics    %s/metrics

`, buildVersion(), c.safe(), base, base, base, base, base)
	if tlsLn != nil {
		fmt.Fprintf(w, "  HTTPS      https://%s, also for the providers' host names: ducat trust says how\n\n", reachable(tlsLn.Addr()))
	}
	if c.Sandbox {
		fmt.Fprintf(w, `Open %s/demo in a browser: a shop to play with. What became of its payments, and
of your tests', %s/portal shows to whoever has the key.

Any secret test key, sk_test_ and at least eight letters or digits, is a world of
its own; pk_test_ with the same ending is its publishable key. The keys that
published guides print work too and share one world:
  secret       sk_test_4eC39HqLyjWDarjtT1zdp7dc
  publishable  pk_test_TYooMQauvdEDq54NiTphI7jx

Take a first step:
  curl %s/v1/sources -u sk_test_4eC39HqLyjWDarjtT1zdp7dc: \
    -d type=alipay -d amount=1099 -d currency=usd -d "redirect[return_url]=https://example.com/return"
and open the redirect.url of the answer in a browser.

`, base, base, base)
	} else {
		fmt.Fprint(w, "Only provisioned keys work here; make some with: ducat keys create --name NAME\n\n")
	}
	fmt.Fprintf(w, "ready url=%s\n", base)
}

type migrateCmd struct {
	database `embed:""`
}

// Run brings the schema up to date.
func (c *migrateCmd) Run(ctx context.Context, out streams) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out.out, "the schema of %s is up to date\n", c.safe())
	return s.Close()
}

type verifyCmd struct {
	database `embed:""`
}

// Run audits the database.
func (c *verifyCmd) Run(ctx context.Context, out streams) error {
	if path, ok := strings.CutPrefix(c.DB, "sqlite:"); ok {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("there is no database at %s (name it with --db)", path)
		}
	}
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	srv := server.New(s, server.Config{Sandbox: true, Log: slog.New(slog.DiscardHandler), Clock: clock.Wall{}, IDs: id.System()})
	last := time.Now()
	done, err := srv.Engine.Verify(ctx, func(a engine.Audited) {
		if time.Since(last) > time.Second {
			last = time.Now()
			fmt.Fprintf(out.err, "… %d accounts, %d payments, %d transfers\n", a.Merchants, a.Payments, a.Transfers)
		}
	})
	if d, ok := errors.AsType[*engine.Difference](err); ok {
		return fmt.Errorf("THE BOOKS DO NOT BALANCE: %w", d)
	}
	if err != nil {
		return fmt.Errorf("verify could not finish: %w", err)
	}
	fmt.Fprintf(out.out, "the books balance: %d accounts, %d payments, %d refunds, %d transfers\n", done.Merchants, done.Payments, done.Refunds, done.Transfers)
	return nil
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(out streams) error {
	_, err := fmt.Fprintln(out.out, "ducat", buildVersion())
	return err
}

func buildVersion() string {
	if version != "dev" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return version
}
