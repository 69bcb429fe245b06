// Package server assembles the product: store, engine, rails, dialects, pages,
// control API, job runner, metrics and request log, behind one HTTP handler.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/control"
	"github.com/ducatpay/ducat/internal/demo"
	"github.com/ducatpay/ducat/internal/elements"
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/hosted"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/job"
	"github.com/ducatpay/ducat/internal/portal"
	"github.com/ducatpay/ducat/internal/race"
	"github.com/ducatpay/ducat/internal/rail/simrail"
	"github.com/ducatpay/ducat/internal/reqlog"
	"github.com/ducatpay/ducat/internal/safehttp"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/store/postgres"
	"github.com/ducatpay/ducat/internal/store/sqlite"
	"github.com/ducatpay/ducat/internal/webhook"
	"github.com/ducatpay/ducat/internal/wire/antom"
	"github.com/ducatpay/ducat/internal/wire/multisafepay"
	"github.com/ducatpay/ducat/internal/wire/stripe"
)

// OpenStore opens the database a URL names: sqlite:path or postgres://….
func OpenStore(ctx context.Context, db string) (store.Store, error) {
	switch {
	case strings.HasPrefix(db, "sqlite:"):
		if db == "sqlite:" {
			return nil, errors.New("--db sqlite: needs a path, for example --db sqlite:ducat.db")
		}
		return sqlite.Open(ctx, strings.TrimPrefix(db, "sqlite:"))
	case strings.HasPrefix(db, "postgres://"), strings.HasPrefix(db, "postgresql://"):
		return postgres.Open(ctx, db)
	}
	return nil, fmt.Errorf("--db %q is not understood: use sqlite:path/to/file.db or postgres://user@host/database", db)
}

// Claim reserves the database for this server and returns how to give it back.
// PostgreSQL serves several nodes and needs no claim.
func Claim(db string) (release func() error, err error) {
	if path, ok := strings.CutPrefix(db, "sqlite:"); ok && path != "" {
		return sqlite.Lock(path)
	}
	return func() error { return nil }, nil
}

// Config is what a server has to be told.
type Config struct {
	BaseURL string // public address, without a trailing slash
	Sandbox bool
	Log     *slog.Logger
	Clock   clock.Clock
	IDs     *id.Source
}

// Server is the assembled product.
type Server struct {
	Engine  *engine.Engine
	Stripe  *stripe.API
	Antom   *antom.API
	Runner  *job.Runner
	Handler http.Handler

	log        *slog.Logger
	clock      clock.Clock
	metrics    *metrics
	endStreams func()
}

// EndStreams ends the answers that would not end by themselves, so that a server
// which stops need not wait for their readers. It may be called twice.
func (s *Server) EndStreams() { s.endStreams() }

// New assembles a server on an open, migrated store.
func New(s store.Store, c Config) *Server {
	e := engine.New(s, c.Clock, c.IDs, c.Log)
	e.AddRail(false, simrail.Rail{})
	worlds := engine.NewWorlds(e)
	api := stripe.New(e, worlds, stripe.Config{BaseURL: c.BaseURL, Sandbox: c.Sandbox}, c.Log)
	msp := multisafepay.New(e, worlds, multisafepay.Config{BaseURL: c.BaseURL, Sandbox: c.Sandbox}, c.Log)
	e.AddFront(api)
	e.AddFront(msp)
	ams := antom.New(e, worlds, antom.Config{BaseURL: c.BaseURL, Sandbox: c.Sandbox}, c.Log)
	e.AddFront(ams)
	if err := ams.Warm(context.Background()); err != nil {
		c.Log.Error("cannot read the installation's keys; tokens cannot be given out", "error", err)
	}
	m := newMetrics()
	d := &webhook.Deliverer{
		Store: s, Clock: c.Clock, Log: c.Log,
		Test:    safehttp.New(safehttp.Policy{AllowPrivate: true, AllowPlain: true}, safehttp.Options{}),
		Live:    safehttp.New(safehttp.Policy{}, safehttp.Options{}),
		Fronts:  map[string]webhook.Front{api.Name(): api, msp.Name(): msp, ams.Name(): ams},
		Observe: m.delivered,
	}
	r := &job.Runner{Store: s, Clock: c.Clock, Log: c.Log, Wake: e.Wake(), Handlers: map[string]job.Handler{webhook.Job: d.Deliver}}
	for _, kind := range []string{engine.JobExpire, engine.JobDeadlines, engine.JobNotice, engine.JobVoid, engine.JobRefund, engine.JobCall, engine.JobSettle, engine.JobDispute, engine.JobDisputeOpen, engine.JobPayout, engine.JobPayouts, engine.JobAgreement} {
		r.Handlers[kind] = e.Run
	}
	r.Handlers[multisafepay.JobOrder], r.Handlers[multisafepay.JobEnds] = msp.Run, msp.RunEnds
	for _, kind := range antom.Jobs {
		r.Handlers[kind] = ams.Run
	}
	r.Handlers[engine.JobPrune], r.Handlers[engine.JobAnswers] = e.RunPrune, e.RunAnswers
	srv := &Server{Engine: e, Stripe: api, Antom: ams, Runner: r, log: c.Log, clock: c.Clock, metrics: m, endStreams: func() { msp.DismissWatchers(); api.DismissListeners() }}
	e.Deliver = func(ctx context.Context, msg engine.Message) { d.Now(ctx, msg.Merchant, msg.Delivery, r.Do) }
	r.Handlers[stripe.JobReport], r.Handlers[stripe.JobPosted] = api.RunReport, api.RunPosted
	r.Handlers[stripe.JobClock], r.Handlers[stripe.JobClockEnd] = api.RunClock, api.RunClockEnd
	api.Advance = func(ctx context.Context, merchantID int64, to time.Time) error {
		_, err := e.Advance(ctx, merchantID, func(at time.Time) time.Time { return later(at, to) }, r.Do)
		return err
	}
	ctl := &control.API{Engine: e, Fronts: []control.Front{api, msp, ams}, Run: r.Do, Log: c.Log,
		Release: func(t *engine.Tx, held []race.Held) error { return webhook.Release(t, held, t.At) }}
	mux := http.NewServeMux()
	api.Routes(mux)
	for _, p := range []string{multisafepay.Prefix, multisafepay.Prefix + "/", multisafepay.EventsPrefix, multisafepay.EventsPrefix + "/", "/connect/", "/simulator/"} {
		mux.Handle(p, msp)
	}
	mux.Handle("/ams/", ams)
	mux.Handle("/_ducat/", ctl.Handler())
	mux.Handle("/pay/", hosted.New(hosted.Counter{Engine: e}, hosted.Options{Log: c.Log, Now: c.Clock.Now}))
	desk := portal.New(portal.Options{
		Engine: e, Fronts: []portal.Front{api, msp, ams}, Secure: strings.HasPrefix(c.BaseURL, "https:"), Sandbox: c.Sandbox, Log: c.Log,
		Style: hosted.AssetURL("pay.css"), Mark: hosted.Mark,
	})
	mux.Handle(portal.Root, desk)
	mux.Handle(portal.Root+"/", desk)
	if c.Sandbox {
		shop := demo.New(demo.Options{API: mux, BaseURL: c.BaseURL, Now: c.Clock.Now, Random: c.IDs.Random, Log: c.Log})
		mux.Handle("/demo", shop)
		mux.Handle("/demo/", shop)
	}
	mux.HandleFunc("GET /healthz", srv.health)
	mux.HandleFunc("GET /readyz", srv.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /{$}", srv.welcome)
	srv.Handler = srv.logged(srv.recovered(library(elements.New(elements.Options{BaseURL: c.BaseURL, TestCards: stripe.TestCardNumbers()}), uncleaned(mux, api.Unknown(), msp, ams))))
	return srv
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// library serves the browser library's own paths, one of which has any word in
// its first place.
func library(h *elements.Handler, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if elements.Serves(r.URL.Path) {
			h.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// uncleaned keeps the mux from answering a path with doubled slashes or dots by
// a redirect in HTML: API clients get the API's own error.
func uncleaned(mux, unknown, msp, ams http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch p := r.URL.Path; {
		case p == "/" || strings.TrimSuffix(p, "/") == path.Clean(p):
			mux.ServeHTTP(w, r)
		case ofMultiSafepay(p):
			msp.ServeHTTP(w, r)
		case strings.HasPrefix(path.Clean(p), "/ams/"):
			ams.ServeHTTP(w, r)
		default:
			unknown.ServeHTTP(w, r)
		}
	})
}

// ofMultiSafepay reports whether a path is below that API's.
func ofMultiSafepay(path string) bool {
	return below(path, multisafepay.Prefix) || below(path, multisafepay.EventsPrefix)
}

// below reports whether a path is p or continues it.
func below(path, p string) bool {
	rest, ok := strings.CutPrefix(path, p)
	return ok && (rest == "" || rest[0] == '/')
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) }

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := s.Engine.Store.Ping(ctx); err != nil {
		s.log.Error("not ready", "error", err)
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ready\n"))
}

func (s *Server) welcome(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("Ducat is running. Point an SDK at this address; the README has a walk-through.\n\n" +
		"  /v1/…          Stripe API\n  /v1/json/…     MultiSafepay API (/events/ for its streams)\n  /ams/…         Antom API\n  /pay/…         the payer's pages\n  /portal        the merchant's pages\n  /_ducat/v1/…   control API (clock, scripts, deliveries)\n  /metrics /healthz /readyz\n"))
}

// recovered turns a broken invariant into a loud record and an internal error.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			s.metrics.panics.Inc()
			s.log.Error("broken invariant", "path", r.URL.Path, "panic", fmt.Sprint(v), "stack", string(store.PanicStack(v)))
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusInternalServerError)
			if ofMultiSafepay(r.URL.Path) {
				_, _ = w.Write([]byte(`{"success":false,"data":{},"error_code":1000,"error_info":"Unknown error"}`))
				return
			}
			_, _ = w.Write([]byte(`{"error": {"type": "api_error", "message": "An error occurred on our side. It has been logged."}}` + "\n"))
		}()
		next.ServeHTTP(w, r)
	})
}

// recorder remembers the status and size of an answer, and what the dialect tells
// about it.
type recorder struct {
	http.ResponseWriter
	status, bytes int
	told          reqlog.Record
}

// Record implements reqlog.Recorder.
func (r *recorder) Record() *reqlog.Record { return &r.told }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += n
	return n, err
}

// Unwrap lets http.ResponseController reach the original.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// logged writes one record per request and counts it.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.clock.Now()
		rec := &recorder{ResponseWriter: w}
		next.ServeHTTP(rec, r)
		took := clock.Since(start)
		s.metrics.request(surface(r.URL.Path), r.Method, rec.status, took)
		if !s.log.Enabled(r.Context(), slog.LevelInfo) {
			return
		}
		attrs := make([]slog.Attr, 0, 9)
		attrs = append(attrs, slog.String("method", r.Method), slog.String("path", loggable(r.URL.Path)), slog.Int("status", rec.status), slog.Int("bytes", rec.bytes), slog.Duration("took", took))
		for _, a := range []slog.Attr{slog.String("request_id", rec.told.RequestID), slog.String("account", rec.told.Account), slog.String("code", rec.told.ErrorCode), slog.String("agent", r.UserAgent())} {
			if a.Value.String() != "" {
				attrs = append(attrs, a)
			}
		}
		s.log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
	})
}

// surface names the part of the server a path belongs to.
func surface(path string) string {
	for _, p := range []string{multisafepay.Prefix, "/v1", "/ams", "/_ducat", "/pay", "/portal", multisafepay.EventsPrefix, "/connect", "/simulator", "/metrics", "/healthz", "/readyz"} {
		if below(path, p) {
			return p[1:]
		}
	}
	return "other"
}

// loggable hides what is a credential: the token of a hosted page or a link, and
// the name of a visitor's shop, which is the key of its account.
func loggable(asked string) string {
	clean := path.Clean(asked) // a slash too many names nothing, and shows no less
	for _, p := range []string{"/pay/", "/connect/", "/demo/w/", stripe.LinksPath} {
		if strings.HasPrefix(clean, p) && !strings.HasPrefix(clean, p+"assets/") {
			return p + "[hidden]"
		}
	}
	return asked
}

type metrics struct {
	registry   *prometheus.Registry
	requests   *prometheus.CounterVec
	latency    *prometheus.HistogramVec
	deliveries *prometheus.CounterVec
	panics     prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{
		registry:   prometheus.NewRegistry(),
		requests:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ducat_requests_total", Help: "Requests answered."}, []string{"surface", "method", "status"}),
		latency:    prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ducat_request_seconds", Help: "Time to answer.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14)}, []string{"surface"}),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ducat_webhook_attempts_total", Help: "Attempts to deliver a webhook."}, []string{"result"}),
		panics:     prometheus.NewCounter(prometheus.CounterOpts{Name: "ducat_broken_invariants_total", Help: "Requests stopped because an invariant did not hold. Alert on any."}),
	}
	m.registry.MustRegister(m.requests, m.latency, m.deliveries, m.panics, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) request(surface, method string, status int, took time.Duration) {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodHead, http.MethodOptions:
	default:
		method = "other"
	}
	m.requests.WithLabelValues(surface, method, strconv.Itoa(status)).Inc()
	m.latency.WithLabelValues(surface).Observe(took.Seconds())
}

func (m *metrics) delivered(ok bool, _ time.Duration) {
	result := "failed"
	if ok {
		result = "delivered"
	}
	m.deliveries.WithLabelValues(result).Inc()
}
